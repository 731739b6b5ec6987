"""The guest agent's protocol, with an agent of our own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pvelocal.hypervisor import AgentUnavailable, HypervisorError
from pvelocal.qemu.guest_agent import GuestAgent
from pvelocal.qemu.meter import network_bytes

Answer = Callable[[dict[str, Any]], dict[str, Any] | bytes | None]


@asynccontextmanager
async def agent(path: Path, answer: Answer, leftover: bytes = b"") -> AsyncIterator[list[dict[str, Any]]]:
    """An agent; yields the commands that it was sent."""
    asked: list[dict[str, Any]] = []
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(leftover)
        # Who has heard enough hangs up.
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                command = json.loads(line.rpartition(b"\xff")[2])
                asked.append(command)
                if command["execute"] == "guest-sync-delimited":
                    reply: dict[str, Any] | bytes | None = {"return": command["arguments"]["id"]}
                    writer.write(b"\xff")
                else:
                    reply = answer(command)
                if isinstance(reply, bytes):
                    writer.write(reply)
                elif reply is not None:
                    writer.write(json.dumps(reply).encode() + b"\n")
        writer.close()
        gone.set()

    async with await asyncio.start_unix_server(serve, path):
        try:
            yield asked
        finally:
            await gone.wait()


async def ask(path: Path, command: str, seconds: float) -> object:
    """Once, and hang up."""
    agent = GuestAgent(path)
    try:
        return await agent.ask(command, seconds)
    finally:
        await agent.close()


async def test_answers(tmp_path: Path) -> None:
    async with agent(tmp_path / "a", lambda command: {"return": {"host-name": "web-1"}}) as asked:
        assert await ask(tmp_path / "a", "guest-get-host-name", 5) == {"host-name": "web-1"}
    assert [command["execute"] for command in asked] == ["guest-sync-delimited", "guest-get-host-name"]


async def test_one_connection_serves_until_it_breaks(tmp_path: Path) -> None:
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while line := await reader.readline():
            command = json.loads(line.rpartition(b"\xff")[2])
            writer.write(json.dumps({"return": command.get("arguments", {}).get("id")}).encode() + b"\n")
        writer.close()

    guest_agent = GuestAgent(tmp_path / "a")
    async with await asyncio.start_unix_server(serve, tmp_path / "a"):
        assert [await guest_agent.ask("guest-ping", 5) for _ in range(2)] == [None, None]
        assert len(connections) == 1
        connections[0].close()
        assert await guest_agent.ask("guest-ping", 5) is None
        assert len(connections) == 2
        await guest_agent.close()


async def test_skips_what_others_left_unread(tmp_path: Path) -> None:
    leftover = b'{"return": {}}\nrubbish\n\xff{"return": 1}\n'
    async with agent(tmp_path / "a", lambda command: {"return": 7}, leftover):
        assert await ask(tmp_path / "a", "guest-ping", 5) == 7


async def test_refuses(tmp_path: Path) -> None:
    with pytest.raises(HypervisorError, match="Agent error: not today"):
        async with agent(tmp_path / "a", lambda command: {"error": {"class": "GenericError", "desc": "not today"}}):
            await ask(tmp_path / "a", "guest-shutdown", 5)


async def test_is_silent(tmp_path: Path) -> None:
    with pytest.raises(AgentUnavailable, match="guest agent is not running"):
        async with agent(tmp_path / "a", lambda command: None):
            await ask(tmp_path / "a", "guest-ping", 0.1)


async def test_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AgentUnavailable):
        await ask(tmp_path / "a", "guest-ping", 5)


NONSENSE = ("null", "17", "[1]", "{}", '"error"', "[" * 100_000, "{", "x" * (5 << 20), "\xff")


@pytest.mark.parametrize("line", NONSENSE, ids=range(len(NONSENSE)))
async def test_talks_nonsense(tmp_path: Path, line: str) -> None:
    with pytest.raises(AgentUnavailable):
        async with agent(tmp_path / "a", lambda command: line.encode("latin-1") + b"\n"):
            await ask(tmp_path / "a", "guest-ping", 5)


@pytest.mark.parametrize("said", ['{"error": 7}', '{"error": {"desc": null}}'])
async def test_refuses_without_a_word(tmp_path: Path, said: str) -> None:
    with pytest.raises(HypervisorError, match="Agent error: unknown"):
        async with agent(tmp_path / "a", lambda command: json.loads(said)):
            await ask(tmp_path / "a", "guest-ping", 5)


MAC = "bc:24:11:00:00:00"


@pytest.mark.parametrize(
    ("statistics", "expected"),
    [
        ({"rx-bytes": 1, "tx-bytes": 2}, (1, 2)),
        ({"rx-bytes": 10**30, "tx-bytes": 2}, None),
        ({"rx-bytes": -1, "tx-bytes": 2}, None),
        ({"rx-bytes": "many", "tx-bytes": 2}, None),
        ({"rx-bytes": float("inf"), "tx-bytes": 2}, None),
        ({"rx-bytes": 1}, None),
        ([], None),
        (None, None),
    ],
)
def test_what_a_guest_says_of_its_network_is_a_number_or_nothing(statistics: object, expected: object) -> None:
    assert network_bytes([{"hardware-address": MAC, "statistics": statistics}], {MAC}) == expected


@pytest.mark.parametrize("answer", [None, 7, {}, [7], [{"hardware-address": 7}], [{"hardware-address": MAC}]])
def test_an_answer_that_is_no_list_of_cards_says_nothing(answer: object) -> None:
    assert network_bytes(answer, {MAC}) is None
