"""What a host was read to say does not undo what happened while it was being read."""

import asyncio
from dataclasses import replace

import pytest

from bluelobster.pve import PveClient, VmSummary
from cloud import TestCloud, eventually


async def power(cloud: TestCloud, instance_id: str) -> str:
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    return str(shown["power_status"])


async def force_off(cloud: TestCloud, instance_id: str) -> None:
    answer = await cloud.customer.post(f"/instances/{instance_id}/force-shutdown")
    await cloud.completed(answer.json()["task_id"])


async def test_a_reading_from_before_an_operation(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    instance_id = await cloud.launched()
    has_read, may_go_on, reads_again = asyncio.Event(), asyncio.Event(), asyncio.Event()
    read = PveClient.vms

    async def read_slowly(client: PveClient) -> list[VmSummary]:
        if has_read.is_set():
            reads_again.set()
            await asyncio.Event().wait()
        machines = await read(client)
        has_read.set()
        await may_go_on.wait()
        return machines

    monkeypatch.setattr(PveClient, "vms", read_slowly)
    async with asyncio.timeout(20):
        await has_read.wait()
        await force_off(cloud, instance_id)
        may_go_on.set()
        await reads_again.wait()
    assert await power(cloud, instance_id) == "stopped"


async def test_a_list_that_is_behind_the_times(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxmox gathers its list every ten seconds or so; only a machine's own status is of this moment."""
    instance_id = await cloud.launched()
    read = PveClient.vms
    passes = 0

    async def read_old(client: PveClient) -> list[VmSummary]:
        nonlocal passes
        passes += 1
        return [replace(machine, status="running") for machine in await read(client)]

    async def three_more() -> bool:
        return passes > 3

    monkeypatch.setattr(PveClient, "vms", read_old)
    await force_off(cloud, instance_id)
    passes = 0
    await eventually(three_more)
    assert await power(cloud, instance_id) == "stopped"
