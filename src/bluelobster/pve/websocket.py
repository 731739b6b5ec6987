"""A websocket of the API, which carries bytes both ways."""

from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from bluelobster.pve import diagnosis, errors
from bluelobster.pve.endpoint import Endpoint
from bluelobster.pve.tls import tls_context
from bluelobster.pve.transport import Parameters
from bluelobster.pve.wire import reason_of

_CONNECT_SECONDS = 15.0
_CLOSE_SECONDS = 2.0
# What the server takes in one frame; it does not put fragments together.
_LARGEST_FRAME = 64 << 10


class WebSocket:
    """An open connection. `read` and `write` may be used by one coroutine each at the same time."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self._socket = socket

    async def read(self) -> bytes:
        """The next bytes; none at the end."""
        message = await self._socket.receive()
        return bytes(message.data) if message.type is aiohttp.WSMsgType.BINARY else b""

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when there is room for more. Raises ConnectionError."""
        for start in range(0, len(data), _LARGEST_FRAME):
            await self._socket.send_bytes(data[start : start + _LARGEST_FRAME])

    async def close(self) -> None:
        """Say goodbye and close the connection."""
        await self._socket.close()
        await self._session.close()


async def open_websocket(endpoint: Endpoint, path: str, parameters: Parameters) -> WebSocket:
    """Connect with the endpoint's token to the server with its certificate. Raises a PveError."""
    query = urlencode(dict(parameters), quote_via=quote, safe="")
    url = URL(f"{endpoint.url.rstrip('/')}/api2/json{path}?{query}", encoded=True)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls_context(endpoint.fingerprint)),
        headers={"Authorization": f"PVEAPIToken={endpoint.token}"},
        timeout=aiohttp.ClientTimeout(total=_CONNECT_SECONDS),
    )
    try:
        socket = await session.ws_connect(
            url, protocols=("binary",), timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS), max_msg_size=0
        )
    except BaseException as error:
        await session.close()
        if isinstance(error, (aiohttp.ClientError, OSError)):
            raise _failure(error, [endpoint.secret, *map(str, parameters.values())]) from error
        raise
    return WebSocket(session, socket)


def _failure(error: Exception, secrets: list[str]) -> errors.PveError:
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return diagnosis.answer_error(error.status, error.message, None, secrets)
    return reason_of(error)
