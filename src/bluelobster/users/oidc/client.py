"""What we are to an identity provider."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Client:
    """Agreed on with the provider when we were registered there."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)


def is_safe(url: str) -> bool:
    """Whether what is sent there is read by nobody on the way: TLS, or this very machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
