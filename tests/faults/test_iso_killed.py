"""A worker that is killed while it fetches an image, or takes one away, leaves the rest to the next one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud import CLEAN, LAUNCH, TestCloud
from faults.test_worker_killed import START_FAILS, kill_worker
from iso_source import Source, running_source, whole

POINTS = (
    "do:fetch_iso before",
    "upid:do:fetch_iso:upload acted",
    "do:fetch_iso acted",
    "do:forget_address acted",
    "do:create_vm acted",
)
UNDO_POINTS = ("upid:undo:create_vm:remove image acted", "undo:create_vm acted", "undo:fetch_iso before")


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    async with running_source() as running:
        running.giving["/small.iso"] = whole()
        yield running


async def launch(cloud: TestCloud, source: Source) -> dict[str, Any]:
    wanted = {**LAUNCH, "template_name": None, "ssh_key": None, "iso_url": source.url("/small.iso")}
    answer: dict[str, Any] = (await cloud.customer.post("/instances/launch-instance", json=wanted)).json()
    return answer


def images(cloud: TestCloud) -> list[Path]:
    """The images that the node has, and those that a dead worker may have left."""
    return [*(cloud.node.node.settings.data / "template" / "iso").iterdir(), *cloud.settings.isos.folder.glob("*.iso")]


@pytest.mark.parametrize("point", POINTS)
async def test_killed_while_launching_from_an_image(
    idle_cloud: TestCloud, source: Source, tmp_path: Path, point: str
) -> None:
    accepted = await launch(idle_cloud, source)
    await kill_worker(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
        assert len(images(idle_cloud)) == 1
        deleted = await idle_cloud.customer.delete(f"/instances/{accepted['vm_uuid']}")
        assert deleted.json()["status"] == "success"
    assert images(idle_cloud) == []
    assert await idle_cloud.leftovers() == CLEAN


@pytest.mark.parametrize("point", UNDO_POINTS)
async def test_killed_while_taking_the_image_away(
    idle_cloud: TestCloud, source: Source, tmp_path: Path, point: str
) -> None:
    idle_cloud.node.faults.add(START_FAILS)
    accepted = await launch(idle_cloud, source)
    await kill_worker(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        assert (await idle_cloud.ended(accepted["task_id"]))["status"] == "FAILED"
    assert images(idle_cloud) == []
    assert await idle_cloud.leftovers() == CLEAN
