"""Whatever goes wrong on the node, a restore ends completed, or failed with a true message and the old machine."""

from math import ceil

import pytest

from backed_up import backed_up, none_left_behind, read, restore, vmid_of, write
from cloud import TestCloud, eventually
from faults.test_restore_killed import RULE
from pvelocal.faults import Fault, Kind, StorageFault

# Every call of a restore, by method and path: of what only looks, what changes something, and what starts a task.
LOOKS = (
    ("GET", r"/storage/local/status$"),
    ("GET", r"/tasks\?|/tasks$"),
    ("GET", r"/tasks/UPID:[^/]+/status$"),
    ("GET", r"/tasks/UPID:[^/]+/log$"),
    ("GET", r"/qemu/\d+/config$"),
    ("GET", r"/qemu/\d+/status/current$"),
    ("GET", r"/firewall/options$"),
    ("GET", r"/firewall/rules$"),
    ("GET", r"/firewall/ipset$"),
    ("GET", r"/firewall/ipset/[^/]+$"),
)
CHANGES = (
    ("PUT", r"/qemu/\d+/config$"),
    ("PUT", r"/firewall/options$"),
    ("POST", r"/firewall/rules$"),
    ("DELETE", r"/firewall/ipset/[^/]+$"),
    ("POST", r"/agent/ping$"),
)
STARTS = (
    ("POST", r"/qemu$"),
    ("PUT", r"/resize$"),
    ("POST", r"/status/stop$"),
    ("POST", r"/status/start$"),
    ("DELETE", r"/qemu/\d+$"),
)
CALLS: dict[Kind, tuple[tuple[str, str], ...]] = {
    "error": (*LOOKS, *CHANGES),
    "drop-after": (*CHANGES, *STARTS),
    "task-fails": STARTS,
    "task-fails-after": STARTS,
}
AT_ONCE = 4
UNTOUCHED = "the machine was not touched"


async def prepared(cloud: TestCloud) -> tuple[str, str]:
    """An instance with an address less than its backup has, so that a restore has something to change; and the
    backup."""
    instance_id = await cloud.launched()
    await write(cloud, instance_id, b"first")
    answer = (await cloud.customer.post(f"/instances/{instance_id}/ips")).json()
    await cloud.completed(answer["task_id"])
    volid = await backed_up(cloud, instance_id)
    released = await cloud.customer.delete(f"/instances/{instance_id}/ips/{answer['ip_address']}")
    await cloud.completed(released.json()["task_id"])
    return instance_id, volid


async def runs(cloud: TestCloud, instance_id: str, content: bytes) -> None:
    await none_left_behind(cloud)
    assert await read(cloud, instance_id, 5) == content
    (vm,) = cloud.node.node.vms
    assert ("lock" in vm.config, await cloud.node.node.state(vm)) == (False, "running")
    assert (await cloud.customer.get(f"/instances/{instance_id}")).json()["power_status"] == "running"


@pytest.mark.long
@pytest.mark.parametrize("kind", CALLS)
async def test_one_fault_of_each_call_is_got_over(cloud: TestCloud, kind: Kind) -> None:
    """Some of them in the same restore, far from each other."""
    instance_id, volid = await prepared(cloud)
    restores = ceil(len(CALLS[kind]) / AT_ONCE)
    for first in range(restores):
        await write(cloud, instance_id, b"other")
        assert (await cloud.customer.post(f"/instances/{instance_id}/firewall/rules", json=RULE)).status_code == 200
        faults = [
            cloud.node.faults.add(Fault(kind, method, path, message="the disk is on fire"))
            for method, path in CALLS[kind][first::restores]
        ]
        await cloud.completed(await restore(cloud, instance_id, volid))
        await runs(cloud, instance_id, b"first")
        assert [fault.path for fault in faults if fault.fired != 1] == []
        rules = (await cloud.customer.get(f"/instances/{instance_id}/firewall")).json()["rules"]
        assert [rule["dport"] for rule in rules] == ["22"]
        await cloud.customer.delete(f"/instances/{instance_id}/firewall/rules/0")


LASTING = (
    (
        Fault("task-fails", "POST", r"/qemu$", times=None, message="command 'pbs-restore …' failed: exit code 255"),
        "bringing the backup back was refused by the hypervisor",
    ),
    (
        Fault("task-fails-after", "POST", r"/qemu$", times=None, message="write failed: No space left on device"),
        f"the host's storage is full; {UNTOUCHED}",
    ),
    (
        Fault("task-fails", "POST", r"/qemu$", times=None, message="backup connect failed: command error"),
        f"the backup's storage does not answer at the moment; {UNTOUCHED}",
    ),
    (
        Fault("task-fails", "POST", r"/status/stop$", times=None, message="no such process"),
        "stopping the machine was refused by the hypervisor",
    ),
    (
        Fault("error", "POST", r"/firewall/rules$", times=None),
        "carrying the firewall over was refused by the hypervisor",
    ),
)


async def test_what_stays_wrong_leaves_the_machine_as_it_was(cloud: TestCloud) -> None:
    instance_id, volid = await prepared(cloud)
    for fault, message in LASTING:
        await write(cloud, instance_id, b"other")
        assert (await cloud.customer.post(f"/instances/{instance_id}/firewall/rules", json=RULE)).status_code == 200
        vmid = await vmid_of(cloud, instance_id)
        cloud.node.faults.add(fault)
        task = await cloud.ended(await restore(cloud, instance_id, volid))
        assert (task["status"], task["message"]) == ("FAILED", f"Failed to restore VM: {message}")
        cloud.node.faults.clear()
        assert await vmid_of(cloud, instance_id) == vmid
        await runs(cloud, instance_id, b"other")
        await cloud.customer.delete(f"/instances/{instance_id}/firewall/rules/0")
    await cloud.completed(await restore(cloud, instance_id, volid))
    await runs(cloud, instance_id, b"first")


async def test_a_machine_that_does_not_start_gives_way_to_the_old_one(idle_cloud: TestCloud) -> None:
    async with idle_cloud.worker():
        instance_id, volid = await prepared(idle_cloud)
    await write(idle_cloud, instance_id, b"other")
    task_id = await restore(idle_cloud, instance_id, volid)
    new = await idle_cloud.one("select restoring_vmid from instances")
    idle_cloud.node.faults.add(
        Fault("task-fails", "POST", rf"/qemu/{new}/status/start$", times=None, message="no such device")
    )
    async with idle_cloud.worker():
        task = await idle_cloud.ended(task_id)
        assert (task["status"], task["message"]) == (
            "FAILED",
            "Failed to restore VM: starting the restored machine was refused by the hypervisor",
        )
        await runs(idle_cloud, instance_id, b"other")


async def test_a_stopped_machine_stays_stopped_when_its_restore_fails(cloud: TestCloud) -> None:
    instance_id, volid = await prepared(cloud)
    await cloud.completed((await cloud.customer.post(f"/instances/{instance_id}/force-shutdown")).json()["task_id"])
    cloud.node.faults.add(Fault("task-fails", "PUT", r"/resize$", times=None, message="no"))
    assert (await cloud.ended(await restore(cloud, instance_id, volid)))["status"] == "FAILED"
    await none_left_behind(cloud)
    (vm,) = cloud.node.node.vms
    assert await cloud.node.node.state(vm) == "stopped"
    assert (await cloud.customer.get(f"/instances/{instance_id}")).json()["power_status"] == "stopped"


async def test_a_backup_that_cannot_be_brought_back(cloud: TestCloud) -> None:
    """Its storage is away, the host's disk is too small for it, and at last it is gone."""
    instance_id, volid = await prepared(cloud)
    cloud.node.node.faults.befall_storage("backup", StorageFault(gone=True))
    task = await cloud.ended(await restore(cloud, instance_id, volid))
    assert (task["status"], UNTOUCHED in task["message"]) == ("FAILED", True)
    cloud.node.node.faults.befall_storage("backup", StorageFault())
    await cloud.completed(await restore(cloud, instance_id, volid))
    await runs(cloud, instance_id, b"first")

    needed = await cloud.one("select stored_bytes from backups")
    await cloud.one("update backups set stored_bytes = %s returning 1", 1 << 60)
    task = await cloud.ended(await restore(cloud, instance_id, volid))
    assert task["status"] == "FAILED"
    assert "GB free and the backup needs 1073741824 GB at least; nothing was changed" in task["message"]
    await runs(cloud, instance_id, b"first")
    await cloud.one("update backups set stored_bytes = %s returning 1", needed)

    pve = await cloud.parts.connections.to("px1")
    upid = await pve.delete_volume("backup", volid)
    if upid is not None:
        await pve.wait(upid, timeout=10)
    task = await cloud.ended(await restore(cloud, instance_id, volid))
    assert (task["status"], task["message"]) == (
        "FAILED",
        f"Failed to restore VM: the backup is not in its storage any more; {UNTOUCHED}",
    )
    await runs(cloud, instance_id, b"first")


async def test_half_a_restore_that_the_hypervisor_lost_is_left_to_the_operator(cloud: TestCloud) -> None:
    """Its answer was lost, and then the hypervisor's task died: a lock stays that no token may remove."""
    instance_id, volid = await prepared(cloud)
    await write(cloud, instance_id, b"other")
    hung = cloud.node.faults.add(Fault("task-hangs", "POST", r"/qemu$"))
    lost = cloud.node.faults.add(Fault("drop-after", "POST", r"/qemu$"))
    task_id = await restore(cloud, instance_id, volid)
    node = cloud.node.node

    async def running() -> list[str]:
        return [each.upid for each in node.tasks.newest() if each.running and each.type == "qmrestore"]

    (upid,) = await eventually(running)
    (new,) = [vm for vm in node.vms if vm.vmid != await vmid_of(cloud, instance_id)]
    node.tasks.stop(upid)
    await node.tasks.wait(upid)
    new.config["lock"] = "create"
    task = await cloud.ended(task_id)
    assert (hung.fired, lost.fired) == (1, 1)
    assert (task["status"], task["message"]) == (
        "FAILED",
        f"Failed to restore VM: it was interrupted on the hypervisor; {UNTOUCHED}, try again",
    )
    await cloud.completed(await restore(cloud, instance_id, volid))
    assert new in list(node.vms)
    del new.config["lock"]
    await runs(cloud, instance_id, b"first")
