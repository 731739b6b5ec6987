"""A worker that is killed while it adds or takes away an address: the next one finishes, and nothing is left over."""

from pathlib import Path
from typing import Any

import pytest

from bluelobster.ips.assign import ASSIGN_IP
from bluelobster.ips.release import RELEASE_IP
from cloud import CLEAN, TestCloud
from faults.test_worker_killed import kill_worker, points
from pvelocal.faults import Fault

# Before a step is where the one before it ended.
ASSIGN_POINTS = [point for point in points(ASSIGN_IP) if not point.endswith("before")]
RELEASE_POINTS = [point for point in points(RELEASE_IP) if not point.endswith("before")]
UNDO_POINTS = ["gave_up acted", "undo:plug acted", "undo:allow acted", "end acted"]


async def ips(cloud: TestCloud, instance_id: str) -> list[str]:
    answer = (await cloud.customer.get(f"/instances/{instance_id}/ips")).json()
    return [each["ip_address"] for each in answer["ips"]]


async def assign(cloud: TestCloud, instance_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await cloud.customer.post(f"/instances/{instance_id}/ips")).json()
    return answer


async def periods(cloud: TestCloud) -> tuple[int, int]:
    """Open ones, and all."""
    row = "(count(*) filter (where ended_at is null))::int, count(*)::int"
    found = await cloud.one(f"select array[{row}] from address_usage_periods")
    return found[0], found[1]


async def delete(cloud: TestCloud, instance_id: str) -> None:
    assert (await cloud.customer.delete(f"/instances/{instance_id}")).json()["status"] == "success"
    assert await cloud.leftovers() == CLEAN


def cards(cloud: TestCloud) -> int:
    (machine,) = cloud.node.node.vms
    return len([name for name in machine.wanted() if name.startswith("net")])


@pytest.mark.parametrize("point", ASSIGN_POINTS)
async def test_killed_while_assigning(idle_cloud: TestCloud, tmp_path: Path, point: str) -> None:
    async with idle_cloud.worker():
        instance_id = await idle_cloud.launched()
    answer = await assign(idle_cloud, instance_id)
    await kill_worker(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        await idle_cloud.completed(answer["task_id"])
        assert await ips(idle_cloud, instance_id) == ["127.64.0.10", answer["ip_address"]]
        assert cards(idle_cloud) == 2
        assert await periods(idle_cloud) == (1, 1)
        await delete(idle_cloud, instance_id)


@pytest.mark.parametrize("point", RELEASE_POINTS)
async def test_killed_while_releasing(idle_cloud: TestCloud, tmp_path: Path, point: str) -> None:
    async with idle_cloud.worker():
        instance_id = await idle_cloud.launched()
        answer = await assign(idle_cloud, instance_id)
        await idle_cloud.completed(answer["task_id"])
    released = await idle_cloud.customer.delete(f"/instances/{instance_id}/ips/{answer['ip_address']}")
    await kill_worker(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        await idle_cloud.completed(released.json()["task_id"])
        assert await ips(idle_cloud, instance_id) == ["127.64.0.10"]
        assert cards(idle_cloud) == 1
        assert await periods(idle_cloud) == (0, 1)
        await delete(idle_cloud, instance_id)


@pytest.mark.parametrize("point", UNDO_POINTS)
async def test_killed_while_undoing(idle_cloud: TestCloud, tmp_path: Path, point: str) -> None:
    async with idle_cloud.worker():
        instance_id = await idle_cloud.launched()
    idle_cloud.node.faults.add(Fault("error", "GET", "/network-get-interfaces$", times=None))
    answer = await assign(idle_cloud, instance_id)
    await kill_worker(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        assert (await idle_cloud.ended(answer["task_id"]))["status"] == "FAILED"
        assert await ips(idle_cloud, instance_id) == ["127.64.0.10"]
        assert cards(idle_cloud) == 1
        assert await periods(idle_cloud) == (0, 0)
        await delete(idle_cloud, instance_id)
