"""The page with noVNC, and the websocket that it opens, over HTTP."""

import asyncio
import logging
import mimetypes
from pathlib import Path

from aiohttp import WSCloseCode, web

from bluelobster.console import rfb
from bluelobster.console.session import Parts, Refused, Sessions, join
from bluelobster.console.stream import Ended, WebStream, Wire
from bluelobster.console.tickets import id_of
from bluelobster.db.pool import Pool

log = logging.getLogger(__name__)

WEB = Path(__file__).with_name("web")
PREFIX = "/console/"
HEARTBEAT_SECONDS = 30.0
HANDSHAKE_SECONDS = 20.0
LARGEST_FRAME = 1 << 20
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Pages:
    """Answers HTTP requests to the gateway."""

    def __init__(self, parts: Parts, sessions: Sessions) -> None:
        self._pool: Pool = parts.pool
        self._sessions = sessions
        self._files = {f"{PREFIX}{path.relative_to(WEB)}": path for path in WEB.rglob("*") if path.is_file()}
        self._files[PREFIX] = WEB / "index.html"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """A file of the page, or a console."""
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, headers={**HEADERS, "Allow": "GET, HEAD"})
        if request.path == f"{PREFIX}websocket":
            return await self._console(request)
        if request.path == PREFIX.rstrip("/"):
            return web.Response(status=308, headers={**HEADERS, "Location": PREFIX.rpartition("/")[0] + "/"})
        path = self._files.get(request.path)
        if path is None:
            return web.Response(status=404, text="Not found\n", headers=HEADERS)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return web.FileResponse(path, headers={**HEADERS, "Content-Type": kind})

    async def _console(self, request: web.BaseRequest) -> web.StreamResponse:
        """The screen that a ticket opens. A refusal is said in the websocket's close: nothing else of it reaches a
        page's script."""
        socket = web.WebSocketResponse(
            protocols=("binary",), heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=LARGEST_FRAME
        )
        if not socket.can_prepare(request):
            return web.Response(status=426, headers={**HEADERS, "Upgrade": "websocket"})
        await socket.prepare(request)
        code, text = 1000, ""
        try:
            await self._show(socket, request.query.get("ticket", ""))
        except Refused as refusal:
            code, text = refusal.code, refusal.text
        except (rfb.RfbError, Ended, ConnectionError, TimeoutError) as error:
            log.debug("a page is gone: %s", error or type(error).__name__)
            code = WSCloseCode.PROTOCOL_ERROR
        await socket.close(code=code, message=text.encode())
        return socket

    async def _show(self, socket: web.WebSocketResponse, ticket: str) -> None:
        async with self._pool.connection() as connection:
            ticket_id = await id_of(connection, ticket)
        async with self._sessions.screen(ticket_id) as screen:
            viewer = Wire(WebStream(socket))
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                version = await rfb.greet(viewer)
                await rfb.offer(viewer, version, rfb.NO_AUTHENTICATION)
                await rfb.admit(viewer, version, rfb.NO_AUTHENTICATION)
            await join(viewer, screen)
