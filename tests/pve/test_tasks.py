"""Waiting for a task."""

import asyncio
from typing import Any

import httpx
import pytest

from bluelobster.pve import PveClient, Upid, errors
from pve.recordings import recorded
from pve.server import UPID, answering, client_of

TASK = Upid.parse(UPID)
RUNNING = {"status": "running"}


def ending(exit_status: str | None, *, polls: int = 0) -> PveClient:
    """A client of a server whose task runs for so many questions and then ends so."""
    answers = [RUNNING] * polls

    def handle(request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"/api2/json/nodes/pve1/tasks/{UPID}/status"
        data: dict[str, Any] = answers.pop() if answers else {"status": "stopped", "exitstatus": exit_status}
        return httpx.Response(200, json={"data": data})

    return client_of(handle)


@pytest.mark.parametrize("exit_status", ["OK", "WARNINGS: 2"])
async def test_a_task_that_ends_well(exit_status: str) -> None:
    async with ending(exit_status) as pve:
        await pve.wait(TASK, timeout=1)
        status = await pve.task_status(TASK)
    assert (status.running, status.exit_status, status.ok) == (False, exit_status, True)


@pytest.mark.parametrize(
    ("exit_status", "kind"),
    [
        ("VM 101 already running", errors.VmRunning),
        ("VM is locked (backup)", errors.VmLocked),
        ("VM quit/powerdown failed - got timeout", errors.GuestTimeout),
        ("start failed: QEMU exited with code 1", errors.TaskFailed),
        ("unexpected status", errors.TaskFailed),
        (None, errors.TaskFailed),
    ],
)
async def test_a_task_that_fails(exit_status: str | None, kind: type[errors.PveError]) -> None:
    async with ending(exit_status, polls=2) as pve:
        with pytest.raises(errors.PveError) as caught:
            await pve.wait(TASK, timeout=5, poll=0)
    assert type(caught.value) is kind
    assert caught.value.text == exit_status or exit_status is None


async def test_a_task_that_was_recorded() -> None:
    body = recorded("lifecycle", "resize: shrink: task status").body
    async with answering(200, body) as pve:
        with pytest.raises(errors.DiskShrink, match="shrinking disks is not supported"):
            await pve.wait(TASK, timeout=1)


async def test_an_unknown_task() -> None:
    exchange = recorded("cluster", "unknown task")
    async with answering(exchange.status, exchange.body) as pve:
        with pytest.raises(errors.TaskNotFound):
            await pve.wait(TASK, timeout=1)


async def test_every_poll_is_told() -> None:
    told = 0

    async def tell() -> None:
        nonlocal told
        told += 1

    async with ending("OK", polls=3) as pve:
        await pve.wait(TASK, timeout=5, poll=0, on_poll=tell)
    assert told == 3


async def test_who_is_told_may_end_the_waiting() -> None:
    async def lost() -> None:
        raise InterruptedError

    async with ending("OK", polls=3) as pve:
        with pytest.raises(InterruptedError):
            await pve.wait(TASK, timeout=5, poll=0, on_poll=lost)


async def test_patience_ends() -> None:
    async with ending("OK", polls=1000) as pve:
        with pytest.raises(errors.TaskTimeout, match=r"qmcreate:101.* still runs after 0\.02 s"):
            await pve.wait(TASK, timeout=0.02, poll=0.005)


async def test_it_asks_ever_less_often_down_to_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def count(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", count)
    async with ending("OK", polls=10) as pve:
        await pve.wait(TASK, timeout=60)
    assert pauses[:3] == pytest.approx([0.1, 0.15, 0.225])
    assert pauses[6:] == [1.0, 1.0, 1.0, 1.0]


async def test_a_task_is_asked_about_at_its_own_node() -> None:
    paths: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json={"data": {"status": "stopped", "exitstatus": "OK"}})

    async with client_of(handle) as pve:
        await pve.wait(Upid.parse(UPID.replace("pve1", "pve2")), timeout=1)
    assert paths == [f"/api2/json/nodes/pve2/tasks/{UPID.replace('pve1', 'pve2')}/status"]
