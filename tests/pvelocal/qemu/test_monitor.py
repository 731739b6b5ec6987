"""QMP against a QEMU that does not behave."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pvelocal.hypervisor import HypervisorError
from pvelocal.qemu.monitor import Monitor

Answer = Callable[[dict[str, Any]], dict[str, Any] | None]
GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}


@asynccontextmanager
async def qemu(path: Path, answer: Answer) -> AsyncIterator[Monitor]:
    """A monitor's other end; it hangs up when there is no answer."""

    callers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.add(writer)
        writer.write(json.dumps(GREETING).encode() + b"\n")
        # The client ends its messages with nothing; it sends one at a time here.
        while data := await reader.read(65536):
            command = json.loads(data)
            reply = {"return": {}} if command["execute"] == "qmp_capabilities" else answer(command)
            if reply is None:
                break
            if reply:
                writer.write(json.dumps(reply | {"id": command["id"]} if "id" in command else reply).encode() + b"\n")
        writer.close()
        await writer.wait_closed()

    monitor = Monitor(path)
    async with await asyncio.start_unix_server(serve, path):
        yield monitor
        await monitor.close()
        for caller in callers:
            await caller.wait_closed()


async def test_names_of_arguments(tmp_path: Path) -> None:
    asked = []

    def answer(command: dict[str, Any]) -> dict[str, Any]:
        asked.append(command["arguments"])
        return {"return": 5}

    async with qemu(tmp_path / "q", answer) as monitor:
        assert await monitor.execute("block_resize", node_name="drive-scsi0", size=1) == 5
    assert asked == [{"node-name": "drive-scsi0", "size": 1}]


async def test_refuses(tmp_path: Path) -> None:
    async with qemu(tmp_path / "q", lambda command: {"error": {"class": "GenericError", "desc": "no"}}) as monitor:
        with pytest.raises(HypervisorError, match="QEMU refused 'quit': no"):
            await monitor.execute("quit")


async def test_is_silent(tmp_path: Path) -> None:
    async with qemu(tmp_path / "q", lambda command: {}) as monitor:
        with pytest.raises(HypervisorError, match="got timeout"):
            await monitor.execute("quit", timeout_seconds=0.1)


async def test_hangs_up_and_is_called_again(tmp_path: Path) -> None:
    answers: list[dict[str, Any] | None] = [None, {"return": 1}]
    async with qemu(tmp_path / "q", lambda command: answers.pop(0)) as monitor:
        with pytest.raises(HypervisorError, match="QEMU ended during 'quit'"):
            await monitor.execute("quit")
        assert await monitor.execute("quit") == 1


async def test_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HypervisorError, match="cannot be reached"):
        await Monitor(tmp_path / "q").execute("quit")
