"""The guest agent's protocol: JSON by line, with a handshake that skips what earlier callers left unread.

https://www.qemu.org/docs/master/interop/qemu-ga-ref.html
"""

import asyncio
import contextlib
import json
import secrets
from pathlib import Path
from typing import cast

from pvelocal.hypervisor import AgentUnavailable, HypervisorError

_SENTINEL = b"\xff"
_LINE_LIMIT = 4 * 1024 * 1024
# The last three of what is too long, is not JSON, or is nested without end.
NO_ANSWER = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, RecursionError)


class GuestAgent:
    """The agent of one guest, over a connection that stays. Where nobody is connected, an agent looks ten times a
    second whether somebody is, which is most of what an idle guest costs without KVM.

    https://gitlab.com/qemu-project/qemu/-/blob/v7.2.0/qga/main.c
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def connect(self) -> None:
        """To a guest that was just started or found. Whether its agent answers shows when it is asked."""
        async with self._turn:
            await self.close()
            with contextlib.suppress(OSError):
                self._connection = await self._opened()

    async def ask(self, command: str, timeout_seconds: float) -> object:
        """The agent's answer to one command, which is as the guest likes. One is asked at a time.

        AgentUnavailable when it does not answer in time, or not in its protocol; HypervisorError when it refuses.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(timeout_seconds):
                    answer = await _answer(*await self._synchronized(), command)
            except BaseException as error:
                # What comes later is nobody's answer.
                await self.close()
                if isinstance(error, NO_ANSWER):
                    raise AgentUnavailable("QEMU guest agent is not running") from error
                raise
        return _result(answer)

    async def close(self) -> None:
        """Let go of it; the next command connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # At once: a QEMU that hangs takes nothing more.
            connection[1].transport.abort()
            with contextlib.suppress(OSError):
                await connection[1].wait_closed()

    async def _synchronized(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._connection is not None:
            try:
                await _synchronize(*self._connection)
            except (asyncio.IncompleteReadError, ConnectionError):
                # The guest was started anew.
                await self.close()
            else:
                return self._connection
        self._connection = await self._opened()
        await _synchronize(*self._connection)
        return self._connection

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self._path, limit=_LINE_LIMIT)


async def _synchronize(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    token = secrets.randbelow(2**31)
    # The sentinel ends whatever half a command another caller may have left behind.
    writer.write(_SENTINEL + _message("guest-sync-delimited", {"id": token}))
    answer: object = None
    while answer != {"return": token}:
        line = await reader.readuntil(b"\n")
        try:
            answer = json.loads(line.rpartition(_SENTINEL)[2])
        except (ValueError, RecursionError):
            continue


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str) -> object:
    writer.write(_message(command, None))
    return json.loads(await reader.readuntil(b"\n"))


def _result(answer: object) -> object:
    match answer:
        case {"error": {"desc": str(words)}}:
            raise HypervisorError(f"Agent error: {words}")
        case {"error": _}:
            raise HypervisorError("Agent error: unknown")
        case {"return": given}:
            return cast("object", given)
    raise AgentUnavailable("QEMU guest agent does not keep to its protocol")


def _message(command: str, arguments: dict[str, object] | None) -> bytes:
    message: dict[str, object] = {"execute": command}
    if arguments is not None:
        message["arguments"] = arguments
    return json.dumps(message).encode() + b"\n"
