"""Where a Proxmox VE API is and how to be let in."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_TOKEN = re.compile(r"(?P<id>[^\s:/@]+@[^\s:/!]+![A-Za-z][A-Za-z0-9.\-_]+)=(?P<secret>[A-Za-z0-9\-]+)")
_SHA256 = re.compile(r"[0-9A-F]{64}")


def well_formed_url(url: str) -> str:
    """The address itself; ValueError unless it leads to an API."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.username is not None:
        raise ValueError("the address must read https://host:port")
    return url


def well_formed_token(token: str) -> str:
    """The token itself; ValueError unless it is one with its secret, and then without telling it."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("the token must read user@realm!name=secret")
    return token


def plain_fingerprint(fingerprint: str) -> str:
    """In capital letters and without colons; ValueError for what is no SHA-256."""
    plain = fingerprint.replace(":", "").strip().upper()
    if not _SHA256.fullmatch(plain):
        raise ValueError("the fingerprint must be the SHA-256 of the certificate in hex")
    return plain


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
        well_formed_url(self.url)
        well_formed_token(self.token)
        if self.fingerprint is not None:
            object.__setattr__(self, "fingerprint", plain_fingerprint(self.fingerprint))

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
