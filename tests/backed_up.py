"""Backups and restores as a customer asks for them, and what is on the disks of simulated guests."""

from pathlib import Path
from typing import Any

from cloud import TestCloud, eventually
from pvelocal.simulated_disks import read_content, virtual_size

BLOCK = 4 << 20


async def backed_up(cloud: TestCloud, instance_id: str) -> str:
    """Make a backup; its volume."""
    accepted = await cloud.customer.post(f"/instances/{instance_id}/backup")
    assert accepted.status_code == 200, accepted.text
    await cloud.completed(accepted.json()["task_id"])
    listed = (await cloud.customer.get(f"/instances/{instance_id}/backups")).json()
    volid: str = listed["backups"][0]["volid"]
    return volid


async def restore(cloud: TestCloud, instance_id: str, volid: str) -> str:
    """Ask for a restore of an instance onto itself; the task's id."""
    accepted = await cloud.customer.post(f"/instances/{instance_id}/restore", json={"backup_volid": volid})
    assert accepted.status_code == 200, accepted.text
    task_id: str = accepted.json()["task_id"]
    return task_id


async def restore_onto(cloud: TestCloud, volid: str, target: str, **more: Any) -> dict[str, Any]:
    """Ask for a restore onto any instance; the answer."""
    parameters = {"volid": volid, "target_vm_uuid": target, **more}
    accepted = await cloud.customer.post("/backups/restore", params=parameters)
    assert accepted.status_code == 200, accepted.text
    answer: dict[str, Any] = accepted.json()
    return answer


async def vmid_of(cloud: TestCloud, instance_id: str) -> int:
    vmid: int = await cloud.one("select vmid from instances where id = %s", instance_id)
    return vmid


async def disk_of(cloud: TestCloud, instance_id: str) -> Path:
    folder = cloud.node.node.settings.data / "images" / str(await vmid_of(cloud, instance_id))
    (disk,) = folder.glob("*disk-0*")
    return disk


async def size_gb(cloud: TestCloud, instance_id: str) -> int:
    return virtual_size(await disk_of(cloud, instance_id)) >> 30


async def write(cloud: TestCloud, instance_id: str, text: bytes, block: int = 0) -> None:
    """As the instance's guest."""
    cloud.hypervisor.write(await disk_of(cloud, instance_id), block * BLOCK, text)


async def read(cloud: TestCloud, instance_id: str, length: int, block: int = 0) -> bytes:
    return read_content(await disk_of(cloud, instance_id), block * BLOCK, length)


async def none_left_behind(cloud: TestCloud) -> None:
    """Until every machine that was replaced is gone, and has given its room back."""

    async def gone() -> bool:
        return bool(await cloud.one("select count(*) = 0 from replaced_machines"))

    await eventually(gone)
    assert {vm.vmid for vm in cloud.node.node.vms} == set(
        await cloud.one("select coalesce(array_agg(vmid), '{}') from instances where ended_at is null")
    )
    used, promised = await cloud.one(
        """select array[(select sum(disk_gb_used) from hosts),
                        (select coalesce(sum(disk_gb), 0) from instances where ended_at is null)]::int[]"""
    )
    assert used == promised
    held = "firewall_held or restoring_vmid is not null or replaced_vmid is not null"
    assert await cloud.one(f"select count(*) from instances where {held}") == 0
