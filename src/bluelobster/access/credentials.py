"""What a request says of who sends it: a key, or a session as a bearer token or a cookie."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request

from bluelobster.http.errors import Forbidden

COOKIE = "bluelobster_session"
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


@dataclass(frozen=True)
class Credentials:
    """The one secret that counts: a key goes before a token, and a token before a cookie."""

    key: str | None
    session: str | None
    by_cookie: bool = False

    @property
    def secret(self) -> str | None:
        return self.key or self.session


def credentials_of(request: Request) -> Credentials:
    if key := request.headers.get("X-API-Key"):
        return Credentials(key, None)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return Credentials(None, token.strip())
    return Credentials(None, request.cookies.get(COOKIE), by_cookie=True)


def refuse_forgery(request: Request) -> None:
    """A browser sends a cookie along with what other sites ask for, too: what changes something must come from a page
    of ours. Raises Forbidden."""
    if request.method not in SAFE and not is_same_origin(request):
        raise Forbidden("With a cookie, a request that changes something must come from a page of this very site")


def is_same_origin(request: Request) -> bool:
    """By what the browser says of the page that asks, which no page can change."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("Host")
