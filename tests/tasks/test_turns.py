"""What many wait for leaves slots for everybody else's operations."""

from pathlib import Path

import pytest

from bluelobster.tasks.operation import TryAgain
from bluelobster.tasks.turns import Turns
from cloud import running_cloud
from pvelocal.faults import Fault

SLOTS = 4


async def test_backups_that_wait_keep_nobody_else_waiting(database: str, tmp_path: Path) -> None:
    """As at the full hour, of a host that makes one at a time."""
    async with running_cloud(database, tmp_path, worker_slots=SLOTS) as cloud:
        machines = [await cloud.launched() for _ in range(SLOTS + 1)]
        cloud.node.faults.add(Fault("task-hangs", "POST", "/vzdump$", times=SLOTS))
        for each in machines[1:]:
            assert (await cloud.customer.post(f"/instances/{each}/backup")).status_code == 200
        off = await cloud.customer.post(f"/instances/{machines[0]}/force-shutdown")
        await cloud.completed(off.json()["task_id"])


def test_a_host_that_hangs_gets_no_more_than_its_share() -> None:
    turns = Turns(SLOTS)
    with turns.at("hung"), turns.at("hung"), turns.at("hung"):
        with pytest.raises(TryAgain, match="enough to do with host hung"), turns.at("hung"):
            pass
        with turns.at("other"):
            pass
    with turns.at("hung"):
        pass


def test_a_worker_of_one_slot_does_everything() -> None:
    turns = Turns(1)
    with turns.long(), turns.at("px1"):
        pass
