"""What `up` makes of a machine that is too small for anything it could sell, and of a node that lost something."""

import pytest

from bluelobster.catalog.hosts import Host, find_host
from bluelobster.db.pool import transaction
from bluelobster.local.setup import lacks_image, no_room
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


async def test_an_image_that_the_node_lost_is_brought_again(idle_cloud: TestCloud) -> None:
    parts, images = idle_cloud.parts, idle_cloud.node.node.settings.data / "import"
    assert not await lacks_image(parts, await host(idle_cloud))
    (images / "tiny-linux.qcow2").unlink()
    assert await lacks_image(parts, await host(idle_cloud))
    await idle_cloud.execute("delete from host_templates")
    assert not await lacks_image(parts, await host(idle_cloud)), "the operator withdrew it"
    await idle_cloud.execute("delete from templates")
    assert await lacks_image(parts, await host(idle_cloud))


async def host(cloud: TestCloud) -> Host:
    async with transaction(cloud.parts.pool) as tx:
        found = await find_host(tx, "px1")
    assert found is not None
    return found
