"""Consoles that were asked for: a ticket leads to a guest's screen, once and within seconds."""

import asyncio
import base64
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from pvelocal.errors import Unauthorized, failed

_PORTS = range(5900, 6000)
_PASSWORD_LENGTH = 8
_PASSWORD_CHARACTERS = "".join(map(chr, range(ord("!"), ord("z"))))
_SIGNATURE_BYTES = 256
_JOIN_SECONDS = 10.0
_TURN_SECONDS = 5.0


@dataclass(eq=False)
class Console:
    """One that somebody may join, with the password that the guest's screen will ask for."""

    vmid: int
    token_id: str
    port: int
    password: str = field(repr=False)
    ticket: str = field(repr=False)
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def attended(self) -> None:
        """Until whoever joined has left; ApiError when nobody joins in time."""
        try:
            async with asyncio.timeout(_JOIN_SECONDS):
                await self.joined.wait()
        except TimeoutError:
            raise failed("connection timed out") from None
        await self.left.wait()


class Consoles:
    """All that wait or are in use."""

    def __init__(self) -> None:
        self._open: list[Console] = []
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def open(self, vmid: int, token_id: str) -> Console:
        """A new one, on a port of its own; ApiError when all ports are in use."""
        used = {console.port for console in self._open}
        port = next((port for port in _PORTS if port not in used), None)
        if port is None:
            raise failed("unable to find free port (5900-5999)")
        password = "".join(secrets.choice(_PASSWORD_CHARACTERS) for _ in range(_PASSWORD_LENGTH))
        signature = base64.b64encode(secrets.token_bytes(_SIGNATURE_BYTES)).decode()
        ticket = f"{password}:PVEVNC:{int(time.time()):08X}::{signature}"
        console = Console(vmid, token_id, port, password, ticket)
        self._open.append(console)
        return console

    def join(self, vmid: int, token_id: str, port: int, ticket: str) -> Console:
        """The one that a ticket leads to, for whoever asked for it; Unauthorized when there is none."""
        for console in self._open:
            asked = (console.vmid, console.token_id, console.port) == (vmid, token_id, port)
            if asked and hmac.compare_digest(console.ticket.encode(), ticket.encode()) and not console.joined.is_set():
                console.joined.set()
                return console
        raise Unauthorized("permission denied - invalid PVEVNC ticket", failed_login=False)

    @asynccontextmanager
    async def turn(self, vmid: int) -> AsyncIterator[Callable[[], None]]:
        """Hold a guest's screen against other viewers until what is given is called, or some seconds are over: it
        knows one password at a time, and nobody else may set theirs while one is being proved."""
        lock = self._turns.setdefault(vmid, asyncio.Lock())
        await lock.acquire()
        held = True

        def over() -> None:
            nonlocal held
            if held:
                held = False
                lock.release()

        timer = asyncio.get_running_loop().call_later(_TURN_SECONDS, over)
        try:
            yield over
        finally:
            timer.cancel()
            over()

    def close(self, console: Console) -> None:
        """Give its port back."""
        self._open.remove(console)
