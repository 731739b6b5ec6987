"""The guest agent's protocol: JSON by line, with a handshake that skips what earlier callers left unread.

https://www.qemu.org/docs/master/interop/qemu-ga-ref.html
"""

import asyncio
import json
import secrets
from pathlib import Path
from typing import cast

from pvelocal.hypervisor import AgentUnavailable, HypervisorError

_SENTINEL = b"\xff"
_LINE_LIMIT = 4 * 1024 * 1024
# The last three of what is too long, is not JSON, or is nested without end.
NO_ANSWER = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, RecursionError)


async def ask(path: Path, command: str, timeout_seconds: float) -> object:
    """The agent's answer to one command, which is as the guest likes.

    AgentUnavailable when it does not answer in time, or not in its protocol; HypervisorError when it refuses. One
    caller at a time.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_LIMIT)
            try:
                await _synchronize(reader, writer)
                return await _execute(reader, writer, command)
            finally:
                writer.close()
    except NO_ANSWER as error:
        raise AgentUnavailable("QEMU guest agent is not running") from error


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


async def _execute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str) -> object:
    writer.write(_message(command, None))
    answer = json.loads(await reader.readuntil(b"\n"))
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
