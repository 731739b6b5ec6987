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


async def ask(path: Path, command: str, timeout_seconds: float) -> object:
    """The agent's answer to one command.

    AgentUnavailable when it does not answer in time, HypervisorError when it refuses. One caller at a time.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_LIMIT)
            try:
                await _synchronize(reader, writer)
                return await _execute(reader, writer, command)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
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
        except ValueError:
            continue


async def _execute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str) -> object:
    writer.write(_message(command, None))
    answer = cast("dict[str, object]", json.loads(await reader.readuntil(b"\n")))
    if "error" in answer:
        words = cast("dict[str, object]", answer["error"])
        raise HypervisorError(f"Agent error: {words.get('desc', 'unknown')}")
    return answer["return"]


def _message(command: str, arguments: dict[str, object] | None) -> bytes:
    message: dict[str, object] = {"execute": command}
    if arguments is not None:
        message["arguments"] = arguments
    return json.dumps(message).encode() + b"\n"
