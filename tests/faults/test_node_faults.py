"""Whatever goes wrong once between us and the node, a launch and a deletion come to their end."""

import pytest

from cloud import CLEAN, TestCloud
from pvelocal.faults import Fault, Kind

# Every call of a launch and a deletion, by method and path.
CALLS = (
    ("GET", r"/qemu/\d+/config$"),
    ("POST", r"/qemu$"),
    ("GET", r"/tasks/UPID:[^/]+/status$"),
    ("PUT", r"/qemu/\d+/resize$"),
    ("GET", r"/qemu/\d+/status/current$"),
    ("POST", r"/status/start$"),
    ("POST", r"/agent/ping$"),
    ("POST", r"/status/stop$"),
    ("GET", r"/tasks$"),
    ("DELETE", r"/qemu/\d+$"),
)
ASYNCHRONOUS = {r"/qemu$", r"/qemu/\d+/resize$", r"/status/start$", r"/status/stop$", r"/qemu/\d+$"}
KINDS: tuple[Kind, ...] = ("error", "drop-before", "drop-after", "task-fails", "task-fails-after")


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        (method, path, kind)
        for method, path in CALLS
        for kind in KINDS
        if path in ASYNCHRONOUS or not kind.startswith("task")
    ],
)
async def test_one_fault_is_got_over(cloud: TestCloud, method: str, path: str, kind: Kind) -> None:
    fault = cloud.node.faults.add(Fault(kind, method, path, message="the disk is on fire"))
    instance_id = await cloud.launched()
    deleted = await cloud.customer.delete(f"/instances/{instance_id}")
    assert deleted.json()["status"] == "success"
    assert fault.fired == 1
    assert await cloud.leftovers() == CLEAN


async def test_a_node_that_goes_away_and_comes_back(cloud: TestCloud) -> None:
    cloud.node.faults.offline = True
    accepted = await cloud.launch()
    assert accepted["status"] == "PENDING"
    cloud.node.faults.offline = False
    await cloud.completed(accepted["task_id"])


async def test_a_deletion_that_fails_can_be_asked_for_again(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    cloud.node.faults.add(Fault("task-fails", "DELETE", times=None, message="pool is read-only"))
    failed = await cloud.customer.delete(f"/instances/{instance_id}")
    assert (failed.status_code, failed.json()["error"]) == (500, "deletion_failed")
    assert "read-only" not in failed.text
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    assert shown["status"] == "rented"
    cloud.node.faults.clear()
    again = await cloud.customer.delete(f"/instances/{instance_id}")
    assert again.json()["status"] == "success"
    assert await cloud.leftovers() == CLEAN


async def test_another_machine_under_our_number_is_never_touched(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
    client = await cloud.parts.connections.to("px1")
    foreign = "uuid=11111111-2222-4333-8444-555555555555"
    await client.update_vm(vmid, {"smbios1": foreign, "description": "somebody's database"})
    refused = await cloud.customer.delete(f"/instances/{instance_id}")
    assert refused.status_code == 500
    assert (await client.vm_status(vmid)).power == "running"
    assert (await client.vm_config(vmid)).description == "somebody's database"
