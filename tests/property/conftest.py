"""One cloud for a whole test; its pauses are short, because a history is mostly waiting."""

import asyncio
import faulthandler
import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from bluelobster.instances import answers
from bluelobster.pve import transport
from bluelobster.pve.tasks import TaskCalls
from bluelobster.tasks import engine, node
from cloud import TestCloud, running_cloud
from property.world import World

HISTORIES = "BLUELOBSTER_HISTORIES"
WANTED = os.environ.get(HISTORIES)
# Nothing is made shorter: each try takes a second, and what failed is readable as it is.
ALWAYS = settings(
    deadline=None,
    database=None,
    print_blob=False,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
EVERY_DAY = settings(ALWAYS, max_examples=16, derandomize=True)
MANY = settings(ALWAYS, max_examples=int(WANTED or 1))
PROFILE = MANY if WANTED else EVERY_DAY

# A host that is full after a few machines, and fewer addresses than that.
SMALL_HOST = "update hosts set vcpus = 24, memory_gb = 88, disk_gb = 1500"
FEW_ADDRESSES = "delete from addresses where address > '127.64.0.14'"


@pytest.fixture
async def cloud(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestCloud]:
    if WANTED:
        faulthandler.cancel_dump_traceback_later()  # many histories take their time
    monkeypatch.setattr(engine, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(engine, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(node, "FIRST_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(transport, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr(TaskCalls.wait, "__kwdefaults__", {"poll": 0.01, "on_poll": None})
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 0.0)
    async with running_cloud(database, tmp_path, worker=False) as running:
        running.settings.poll_seconds = 0.02
        running.settings.reconcile_seconds = 0.05
        async with running.parts.pool.connection() as connection:
            await connection.execute(SMALL_HOST)
            await connection.execute(FEW_ADDRESSES)
        yield running


@pytest.fixture
async def world(cloud: TestCloud) -> AsyncIterator[World]:
    world = World(cloud, {"customer": cloud.customer, "stranger": cloud.stranger})
    yield world
    await world.stop_worker()
    await asyncio.gather(*world.asked, return_exceptions=True)
    gc.collect()
