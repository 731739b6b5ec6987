"""What `up` says of a machine that is too small for anything it could sell."""

import pytest

from bluelobster.db.pool import transaction
from bluelobster.local.setup import no_room
from cloud import TestCloud


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ("disk_gb", "has a disk of 250 GB, and the disk that the data is on is offered as 7 GB"),
        ("memory_gb", "has 8 GB of memory, and this machine's is offered as 7 GB"),
    ],
)
async def test_no_room_for_the_smallest_type(idle_cloud: TestCloud, resource: str, said: str) -> None:
    async with transaction(idle_cloud.parts.pool) as tx:
        assert await no_room(tx, "px1") is None
        await tx.execute(f"update hosts set {resource} = 7")
        told = await no_room(tx, "px1")
    assert told is not None
    assert said in told
    assert "bluelobster admin type add" in told
