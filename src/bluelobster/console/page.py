"""The page with noVNC. It is the API that serves it: browsers open connections ahead of need and are silent on them,
which the gateway would take for VNC viewers."""

from mimetypes import guess_type
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from bluelobster.console.address import Address
from bluelobster.http.errors import Unavailable

WEB = Path(__file__).with_name("web")
FILES = frozenset(str(path.relative_to(WEB)) for path in WEB.rglob("*") if path.is_file())
HEADERS = {
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src {gateway}; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(prefix="/console", include_in_schema=False)


def address_of(request: Request) -> Address:
    """Where the gateway is; raises Unavailable in a process that has none."""
    address: Address | None = getattr(request.app.state, "console", None)
    if address is None:
        raise Unavailable("console_unavailable", "Consoles are not offered here")
    return address


def page_url(request: Request, ticket: str) -> str:
    """The page, at the address by which the caller reached the API. The ticket is in the fragment, which browsers
    send to nobody."""
    return f"{request.base_url}console/#{ticket}"


@router.get("")
async def without_slash() -> Response:
    return RedirectResponse("console/", status_code=308)


@router.get("/")
async def page(request: Request) -> Response:
    """The page itself, which is told where the gateway is."""
    gateway = address_of(request).websocket
    text = (WEB / "index.html").read_text().replace("GATEWAY", gateway)
    return HTMLResponse(text, headers={**HEADERS, "Content-Security-Policy": POLICY.format(gateway=gateway)})


@router.get("/{name:path}")
async def file(name: str) -> Response:
    """A part of it."""
    if name not in FILES:
        raise HTTPException(404)
    kind = guess_type(name)[0] or "text/plain"
    return FileResponse(WEB / name, media_type=kind, headers=HEADERS)
