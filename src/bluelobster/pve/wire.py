"""What goes over the wire to an API server, and what comes back: one request, one answer, or a reason why not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from yarl import URL

from bluelobster.pve import errors
from bluelobster.pve.tls import tls_context

CONNECT_SECONDS = 5.0
CONNECTIONS = 32
# Proxmox's API server closes a connection that idled for 5 s; ours has to give it up first, or a call might be
# written into a connection that is being closed.
IDLE_SECONDS = 3.0


@dataclass(frozen=True)
class Request:
    """A call as it is sent. `path` is encoded and may have a query; `seconds` may pass between two bytes."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes | AsyncIterator[bytes]
    seconds: float


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    reason: str
    body: bytes


class Wire(Protocol):
    """Sends requests, each once. `send` raises Unreachable for what was not sent, CertificateMismatch for a server
    that is another one, and ConnectionLost where it may have been sent."""

    async def send(self, request: Request) -> Answer: ...

    async def aclose(self) -> None: ...


class HttpWire:
    """Connections to the server at `url`, kept for the next call."""

    def __init__(self, url: str, fingerprint: str | None) -> None:
        self._url = url
        self._fingerprint = fingerprint
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise errors.Unreachable("the connections to it were closed, as when its record changes")
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=tls_context(self._fingerprint), limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS
            )
            session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            # The session would send a DELETE again when a kept connection turns out to be closed: what is sent
            # twice is decided by the caller, who knows what the call does.
            session._retry_connection = False
            self._session = session
        return self._session

    async def aclose(self) -> None:
        """Close all connections, for good."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request) -> Answer:
        """Send once and read the whole answer."""
        timeout = aiohttp.ClientTimeout(
            total=None, connect=request.seconds, sock_connect=CONNECT_SECONDS, sock_read=request.seconds
        )
        try:
            async with (
                asyncio.timeout(None) as patience,
                self._open().request(
                    request.method,
                    URL(f"{self._url}{request.path}", encoded=True),
                    headers=request.headers,
                    data=sent(request, patience),
                    timeout=timeout,
                    allow_redirects=False,
                ) as response,
            ):
                return Answer(response.status, response.reason or "", await response.read())
        except (aiohttp.ClientError, OSError) as error:
            raise reason_of(error) from error


def sent(request: Request, patience: asyncio.Timeout) -> bytes | AsyncIterator[bytes]:
    """The request's content. While it is sent in parts, `patience` ends `seconds` after each: aiohttp waits for ever
    for a server that reads no further."""
    if isinstance(request.content, bytes):
        return request.content
    parts, now = request.content, asyncio.get_running_loop().time

    async def paced() -> AsyncIterator[bytes]:
        async for part in parts:
            patience.reschedule(now() + request.seconds)
            yield part
        patience.reschedule(None)

    return paced()


def reason_of(error: Exception) -> errors.NoAnswer:
    """Why there is no answer, and whether the request can have been sent."""
    text = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return errors.CertificateMismatch(str(error.certificate_error))
    if isinstance(error, ssl.SSLCertVerificationError):
        return errors.CertificateMismatch(text)
    if isinstance(error, aiohttp.ClientConnectorError):
        return errors.Unreachable(f"no connection: {error.os_error.strerror or error.os_error}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return errors.Unreachable(f"no connection: {text}")
    return errors.ConnectionLost(f"the answer was lost: {text}")
