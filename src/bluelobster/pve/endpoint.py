"""Where a Proxmox VE API is and how to be let in."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_TOKEN = re.compile(r"(?P<id>[^\s:/@]+@[^\s:/!]+![A-Za-z][A-Za-z0-9.\-_]+)=(?P<secret>[A-Za-z0-9\-]+)")
_SHA256 = re.compile(r"[0-9A-F]{64}")


@dataclass(frozen=True, repr=False)
class Endpoint:
    """An API address with its token and the certificate it must show.

    `url` is `https://host:8006`; `token` is `user@realm!name=secret`; `fingerprint` is the SHA-256 of the server's
    certificate, as Proxmox shows it (hex, colons optional), or None to trust the system's authorities.
    Raises ValueError when a part is malformed; the message never holds the secret.
    """

    url: str
    token: str
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.username is not None:
            raise ValueError("the address must read https://host:port")
        if not _TOKEN.fullmatch(self.token):
            raise ValueError("the token must read user@realm!name=secret")
        if self.fingerprint is not None:
            plain = self.fingerprint.replace(":", "").strip().upper()
            if not _SHA256.fullmatch(plain):
                raise ValueError("the fingerprint must be the SHA-256 of the certificate in hex")
            object.__setattr__(self, "fingerprint", plain)

    @property
    def token_id(self) -> str:
        """The token without its secret: `user@realm!name`."""
        return self.token.partition("=")[0]

    @property
    def secret(self) -> str:
        """The token's secret alone."""
        return self.token.partition("=")[2]

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r}, token='{self.token_id}=…', fingerprint={self.fingerprint!r})"
