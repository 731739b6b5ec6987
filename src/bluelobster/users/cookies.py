"""The session as a cookie, which no script can read and no other site can use."""

from ipaddress import ip_address

from fastapi import Request, Response

from bluelobster.access.credentials import COOKIE

PATH = "/api"


def keep(request: Request, response: Response, token: str, days: float) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=round(days * 86400),
        path=PATH,
        secure=must_be_secure(request),
        httponly=True,
        samesite="strict",
    )


def drop(request: Request, response: Response) -> None:
    response.delete_cookie(COOKIE, path=PATH, secure=must_be_secure(request), httponly=True, samesite="strict")


def must_be_secure(request: Request) -> bool:
    """Always, but for a browser on this very machine that came without TLS: not all of them keep it then."""
    try:
        local = ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        local = False
    return not (request.url.scheme == "http" and local)
