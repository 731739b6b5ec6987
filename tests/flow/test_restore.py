"""Restores: onto the instance itself and onto others, what is refused, and what becomes of the machine before."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from backed_up import backed_up, none_left_behind, read, restore, restore_onto, size_gb, vmid_of, write
from bluelobster.access.keys import create_key
from bluelobster.catalog.templates import KNOWN, place_image, save_template
from bluelobster.db.pool import transaction
from bluelobster.network.addresses import mac_for
from cloud import CLEAN, SSH_KEY, TestCloud, api_client, eventually
from pvelocal.faults import Fault
from pvelocal.firewall import Firewall

CUSTOM = {
    "instance_type": "v1_cpu_small",
    "host": "px1",
    "cores": 2,
    "memory": 8,
    "disk_size": 300,
    "gpu_count": 0,
    "username": "captain",
    "template_name": "TINY-LINUX",
    "ssh_key": SSH_KEY,
}


async def config_of(cloud: TestCloud, instance_id: str) -> dict[str, str]:
    config = cloud.node.node.vms.get(await vmid_of(cloud, instance_id)).config
    return {name: str(value) for name, value in config.items()}


async def shown(cloud: TestCloud, instance_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    return answer


async def firewall_of(cloud: TestCloud, instance_id: str) -> Firewall:
    """What the hypervisor lets act on the guest."""
    found = cloud.hypervisor.firewalls[await vmid_of(cloud, instance_id)]
    assert found is not None
    return found


async def own_addresses(cloud: TestCloud, instance_id: str) -> list[set[str]]:
    """What each card may send from."""
    firewall = await firewall_of(cloud, instance_id)
    return [set(firewall.own_addresses(nic) or ()) for nic in range(3)]


async def test_back_to_what_was_there(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    await write(cloud, instance_id, b"first content")
    volid = await backed_up(cloud, instance_id)
    before, vmid = await shown(cloud, instance_id), await vmid_of(cloud, instance_id)
    config = await config_of(cloud, instance_id)
    await write(cloud, instance_id, b"second content!")
    await write(cloud, instance_id, b"more", block=7)

    answer = await cloud.customer.post(f"/instances/{instance_id}/restore", json={"backup_volid": volid})
    task_id = answer.json()["task_id"]
    assert answer.json() == {
        "message": "Restore started",
        "task_id": task_id,
        "status": "PENDING",
        "instance_id": instance_id,
        "backup_volid": volid,
    }
    task = await cloud.completed(task_id)
    assert (task["operation"], task["message"], task["progress"]) == (
        "restore_instance",
        "VM restored successfully",
        100,
    )
    assert (task["params"]["vm_uuid"], task["params"]["backup_volid"]) == (instance_id, volid)
    assert await read(cloud, instance_id, 16) == b"first content\0\0\0"
    assert await read(cloud, instance_id, 4, block=7) == bytes(4)
    assert await shown(cloud, instance_id) == before
    assert await vmid_of(cloud, instance_id) != vmid
    assert without_numbers(await config_of(cloud, instance_id)) == without_numbers(config)
    await none_left_behind(cloud)
    assert await cloud.one("select data->>'backup_volid' from events where kind = 'instance.restored'") == volid

    assert (await cloud.customer.delete(f"/instances/{instance_id}")).json()["status"] == "success"
    assert await cloud.leftovers() == CLEAN


def without_numbers(config: dict[str, str]) -> dict[str, str]:
    """Everything but the names of its volumes, and what Proxmox makes anew."""
    return {name: value for name, value in config.items() if name not in {"scsi0", "ide2", "vmgenid", "meta"}}


async def test_a_stopped_machine_is_started(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = await backed_up(cloud, instance_id)
    await cloud.completed((await cloud.customer.post(f"/instances/{instance_id}/shutdown")).json()["task_id"])
    await cloud.completed(await restore(cloud, instance_id, volid))
    assert (await shown(cloud, instance_id))["power_status"] == "running"
    assert await cloud.node.node.state(cloud.node.node.vms.get(await vmid_of(cloud, instance_id))) == "running"


async def test_onto_another_machine(cloud: TestCloud) -> None:
    source = await cloud.launched(name="db-1", instance_type="gpu_1x_a4000", ssh_key=None, password="correct-horse-7")
    await write(cloud, source, b"precious")
    await cloud.customer.post(f"/instances/{source}/firewall/rules", json={"type": "out", "action": "DROP"})
    volid = await backed_up(cloud, source)
    target = await cloud.launched(name="web-1", instance_type="v1_cpu_medium")
    await cloud.completed((await cloud.customer.post(f"/instances/{target}/ips")).json()["task_id"])
    before, config = await shown(cloud, target), await config_of(cloud, target)
    rule = {"type": "in", "action": "ACCEPT", "dport": "22"}
    await cloud.customer.post(f"/instances/{target}/firewall/rules", json=rule)
    await cloud.customer.put(f"/instances/{target}/firewall", json={"policy_in": "DROP", "enable": False})
    firewall = (await cloud.customer.get(f"/instances/{target}/firewall")).json()
    own = await own_addresses(cloud, target)

    answer = await restore_onto(cloud, volid, target)
    assert (answer["instance_id"], answer["target_vm_uuid"], answer["name"]) == (target, target, "web-1")
    await cloud.completed(answer["task_id"])
    assert await read(cloud, target, 8) == b"precious"
    assert await size_gb(cloud, target) == before["storage"]
    assert await shown(cloud, target) == before
    assert without_numbers(await config_of(cloud, target)) == without_numbers(config)
    assert (await cloud.customer.get(f"/instances/{target}/firewall")).json() == firewall
    assert await own_addresses(cloud, target) == own
    assert await read(cloud, source, 8) == b"precious"
    assert mac_for(UUID(source), 0) not in str(await config_of(cloud, target))
    await none_left_behind(cloud)


async def test_names(cloud: TestCloud) -> None:
    source, target = await cloud.launched(name="db-1"), await cloud.launched(name="web-1")
    volid = await backed_up(cloud, source)
    answer = await restore_onto(cloud, volid, target, add_restore_prefix="true")
    prefixed = f"RESTORE-{cloud.parts.clock.now():%Y%m%d}-db-1"
    assert answer["name"] == prefixed
    await cloud.completed(answer["task_id"])
    assert (await shown(cloud, target))["name"] == prefixed
    assert (await config_of(cloud, target))["name"] == prefixed
    answer = await restore_onto(cloud, volid, target, new_name="web_2")
    await cloud.completed(answer["task_id"])
    assert (await shown(cloud, target))["name"] == "web_2"
    assert (await config_of(cloud, target))["name"] == "web-2"
    taken = await cloud.customer.post(
        "/backups/restore", params={"volid": volid, "target_vm_uuid": target, "new_name": "db-1"}
    )
    assert (taken.status_code, taken.json()["error"]) == (400, "name_taken")
    same = await restore_onto(cloud, volid, target, new_name="web_2")
    await cloud.completed(same["task_id"])


async def test_a_name_that_was_taken_meanwhile(idle_cloud: TestCloud) -> None:
    async with idle_cloud.worker():
        target = await idle_cloud.launched(name="web-1")
        volid = await backed_up(idle_cloud, target)
    answer = await restore_onto(idle_cloud, volid, target, new_name="web-2")
    await idle_cloud.launch(name="web-2")
    async with idle_cloud.worker():
        task = await idle_cloud.completed(answer["task_id"])
    assert task["message"] == (
        "VM restored successfully; it keeps its name web-1: An instance named web-2 exists already"
    )
    assert (await shown(idle_cloud, target))["name"] == "web-1"


async def test_a_rename_meanwhile_counts(idle_cloud: TestCloud) -> None:
    async with idle_cloud.worker():
        target = await idle_cloud.launched(name="web-1")
        volid = await backed_up(idle_cloud, target)
    task_id = await restore(idle_cloud, target, volid)
    await idle_cloud.customer.put(f"/instances/{target}/rename", json={"name": "web-3"})
    async with idle_cloud.worker():
        await idle_cloud.completed(task_id)
    assert (await config_of(idle_cloud, target))["name"] == (await shown(idle_cloud, target))["name"] == "web-3"


async def test_what_does_not_fit_is_refused(cloud: TestCloud) -> None:
    large = (await cloud.staff.post("/instances/launch-custom", json={**CUSTOM, "name": "large"})).json()["vm_uuid"]
    small = (
        await cloud.staff.post("/instances/launch-custom", json={**CUSTOM, "name": "small", "disk_size": 40})
    ).json()["vm_uuid"]

    async def ready() -> bool:
        return bool(await cloud.one("select count(*) = 0 from tasks where ended_at is null"))

    await eventually(ready)
    accepted = await cloud.staff.post(f"/instances/{large}/backup")
    await eventually(ready)
    assert accepted.status_code == 200
    volid = (await cloud.staff.get(f"/instances/{large}/backups")).json()["backups"][0]["volid"]
    refused = await cloud.staff.post("/backups/restore", params={"volid": volid, "target_vm_uuid": small})
    assert refused.status_code == 400
    assert refused.json() == {
        "error": "disk_too_small",
        "message": "The backup is of a disk of 300 GB, and the instance's disk has 40 GB: restore it onto an instance "
        "whose disk has at least 300 GB",
        "backup_disk_gb": 300,
        "instance_disk_gb": 40,
    }
    await cloud.one("update instances set template = null where name = 'large' returning 1")
    refused = await cloud.staff.post("/backups/restore", params={"volid": volid, "target_vm_uuid": large})
    assert (refused.status_code, refused.json()["error"]) == (400, "incompatible_target")
    assert "a Linux system" in refused.json()["message"]
    await cloud.one("update instances set template = 'TINY-LINUX' where name = 'large' returning 1")
    await cloud.one("update hosts set backup_storage = 'elsewhere' returning 1")
    refused = await cloud.staff.post("/backups/restore", params={"volid": volid, "target_vm_uuid": large})
    assert (refused.status_code, refused.json()["error"]) == (400, "incompatible_target")
    assert "us-east-1" in refused.json()["message"]


async def test_without_room_nothing_is_touched(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = await backed_up(cloud, instance_id)
    vmid = await vmid_of(cloud, instance_id)
    await cloud.one("update hosts set disk_gb = disk_gb_used + 249 returning 1")
    refused = await cloud.customer.post(f"/instances/{instance_id}/restore", json={"backup_volid": volid})
    assert (refused.status_code, refused.json()["error"], refused.json()["required_gb"]) == (
        409,
        "insufficient_storage",
        250,
    )
    assert await cloud.one("select count(*) from tasks where operation = 'restore_instance'") == 0
    assert await cloud.one("select restoring_vmid from instances") is None
    await cloud.one("update hosts set disk_gb = disk_gb_used + 250 returning 1")
    await cloud.completed(await restore(cloud, instance_id, volid))
    assert await vmid_of(cloud, instance_id) != vmid
    await none_left_behind(cloud)


async def test_what_is_wrong_with_a_request(cloud: TestCloud) -> None:
    instance_id, other = await cloud.launched(), await cloud.launched()
    volid = await backed_up(cloud, instance_id)
    path = f"/instances/{instance_id}/restore"
    bodies: tuple[object, ...] = ({}, [], {"backup_volid": ""}, {"backup_volid": None}, {"backup_volid": 7})
    for body in bodies:
        refused = await cloud.customer.post(path, json=body)
        assert refused.status_code == 400
        assert refused.json() == {"error": "missing_backup_volid", "message": "backup_volid is required"}
    assert (await cloud.customer.post(path)).json()["error"] == "missing_backup_volid"
    unknown = "backup:backup/vm/1/2026-11-23T00:00:00Z"
    missing = await cloud.customer.post(path, json={"backup_volid": unknown})
    assert (missing.status_code, missing.json()["error"]) == (404, "backup_not_found")
    another_s = await cloud.customer.post(f"/instances/{other}/restore", json={"backup_volid": volid})
    assert (another_s.status_code, another_s.json()["error"]) == (404, "backup_not_found")
    assert "/api/v1/backups/restore" in another_s.json()["message"]
    for parameters in ({"volid": unknown, "target_vm_uuid": other}, {"volid": volid, "target_vm_uuid": str(uuid4())}):
        missing = await cloud.customer.post("/backups/restore", params=parameters)
        assert missing.status_code == 404
    bad = {"volid": volid, "target_vm_uuid": other, "new_name": "a b"}
    refused = await cloud.customer.post("/backups/restore", params=bad)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_name")


async def test_nobody_else_s(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = await backed_up(cloud, instance_id)
    theirs = (await cloud.stranger.post("/instances/launch-instance", json={**launch_body(), "name": "theirs"})).json()
    for answer in (
        await cloud.stranger.post(f"/instances/{instance_id}/restore", json={"backup_volid": volid}),
        await cloud.stranger.post("/backups/restore", params={"volid": volid, "target_vm_uuid": theirs["vm_uuid"]}),
        await cloud.customer.post("/backups/restore", params={"volid": volid, "target_vm_uuid": theirs["vm_uuid"]}),
    ):
        assert answer.status_code == 404
    team = (await cloud.customer.post("/teams", json={"name": "Sales"})).json()["id"]
    in_team = await cloud.launched()
    await cloud.customer.post(f"/instances/{in_team}/team", json={"team_id": team})
    account = await cloud.one("select account_id from instances where id = %s", instance_id)
    async with transaction(cloud.parts.pool) as tx:
        key = await create_key(tx, account, "sales", "member", cloud.parts.clock.now(), None, team)
    sales = api_client(cloud.app, key)
    answer = await sales.post("/backups/restore", params={"volid": volid, "target_vm_uuid": in_team})
    assert (answer.status_code, answer.json()["error"]) == (404, "backup_not_found")


def launch_body() -> dict[str, Any]:
    return {
        "region": "us-east-1",
        "instance_type": "v1_cpu_small",
        "username": "lobster",
        "ssh_key": SSH_KEY,
        "template_name": "TINY-LINUX",
    }


async def test_one_at_a_time(idle_cloud: TestCloud) -> None:
    cloud = idle_cloud
    async with cloud.worker():
        instance_id, other = await cloud.launched(), await cloud.launched()
        volid = await backed_up(cloud, instance_id)
        second = await backed_up(cloud, instance_id)
    used = await cloud.one("select disk_gb_used from hosts")
    backing_up = (await cloud.customer.post(f"/instances/{instance_id}/backup")).json()["task_id"]
    busy = await cloud.customer.post(f"/instances/{instance_id}/restore", json={"backup_volid": volid})
    assert busy.status_code == 409
    assert busy.json() == {
        "error": "task_in_progress",
        "message": "Cannot start restore: backup is already in progress for this instance",
    }
    await cloud.customer.delete("/backups", params={"volid": second})
    gone = await cloud.customer.post("/backups/restore", params={"volid": second, "target_vm_uuid": other})
    assert (gone.status_code, gone.json()["message"]) == (
        409,
        "Cannot start restore: the backup is being deleted",
    )
    assert await cloud.one("select disk_gb_used from hosts") == used
    async with cloud.worker():
        await cloud.completed(backing_up)
    restoring = await restore(cloud, instance_id, volid)
    kept = await cloud.customer.delete("/backups", params={"volid": volid})
    assert kept.status_code == 409
    for path in ("backup", "restore"):
        busy = await cloud.customer.post(f"/instances/{instance_id}/{path}", json={"backup_volid": volid})
        assert busy.json()["message"] == (f"Cannot start {path}: restore is already in progress for this instance")
    listed = (await cloud.customer.get(f"/instances/{instance_id}/backups")).json()
    assert listed["restore_in_progress"]["task_id"] == restoring
    assert (await cloud.customer.delete(f"/instances/{instance_id}")).status_code == 400
    async with cloud.worker():
        await cloud.completed(restoring)
        await none_left_behind(cloud)


async def test_deleted_while_its_old_machine_is_still_there(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = await backed_up(cloud, instance_id)
    cannot = cloud.node.faults.add(Fault("task-fails", "DELETE", r"/qemu/\d+$", times=None, message="busy"))
    await cloud.completed(await restore(cloud, instance_id, volid))

    async def tried() -> bool:
        return cannot.fired > 1

    await eventually(tried)
    assert await cloud.one("select count(*) from replaced_machines") == 1
    cloud.node.faults.clear()
    assert (await cloud.customer.delete(f"/instances/{instance_id}")).json()["status"] == "success"
    assert await cloud.leftovers() == CLEAN
    listed = (await cloud.customer.get("/backups")).json()
    assert [each["instance_deleted"] for each in listed["backups"]] == [True]


async def looked_at_again(cloud: TestCloud, vmid: int) -> None:
    """Until whoever had looked before has acted, and somebody has looked since."""
    looks = cloud.node.faults.add(Fault("delay", "GET", rf"/qemu/{vmid}/config$", times=None))

    async def several() -> bool:
        return looks.fired > 2

    await eventually(several)


async def test_another_machine_under_the_old_number_is_never_touched(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = await backed_up(cloud, instance_id)
    vmid = await vmid_of(cloud, instance_id)
    cloud.node.faults.add(Fault("task-fails", "DELETE", r"/qemu/\d+$", times=None, message="busy"))
    await cloud.completed(await restore(cloud, instance_id, volid))
    client = await cloud.parts.connections.to("px1")
    await client.update_vm(vmid, {"smbios1": f"uuid={uuid4()}", "description": "somebody's database"})
    await looked_at_again(cloud, vmid)
    cloud.node.faults.clear()
    await looked_at_again(cloud, vmid)
    assert (await client.vm_config(vmid)).description == "somebody's database"
    refused = await cloud.customer.delete(f"/instances/{instance_id}")
    assert refused.status_code == 500
    assert vmid in cloud.node.node.vms


async def test_a_machine_that_was_lost_is_made_again(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    await write(cloud, instance_id, b"precious")
    volid = await backed_up(cloud, instance_id)
    vm = cloud.node.node.vms.get(await vmid_of(cloud, instance_id))
    await cloud.hypervisor.stop(vm.vmid)
    await cloud.node.node.destroy(vm)
    await cloud.completed(await restore(cloud, instance_id, volid))
    assert await read(cloud, instance_id, 8) == b"precious"
    assert (await own_addresses(cloud, instance_id))[0] == {(await shown(cloud, instance_id))["ip_address"]}
    await none_left_behind(cloud)


async def test_a_machine_with_user_data_keeps_its_own(cloud: TestCloud) -> None:
    one, other, plain = await asyncio.gather(
        cloud.launched(user_data="#!/bin/sh\necho one\n"),
        cloud.launched(user_data="#!/bin/sh\necho other\n"),
        cloud.launched(),
    )
    volid = await backed_up(cloud, one)
    for target in (one, other, plain):
        drive = (await config_of(cloud, target))["ide2"]
        await cloud.completed((await restore_onto(cloud, volid, target))["task_id"])
        now = (await config_of(cloud, target))["ide2"]
        assert now == drive if target != plain else "cloudinit" in now
    await none_left_behind(cloud)
    folder = cloud.node.node.settings.data / "template" / "iso"
    assert len(list(folder.iterdir())) == 2
    for each in (one, other, plain):
        assert (await cloud.customer.delete(f"/instances/{each}")).json()["status"] == "success"
    assert list(folder.iterdir()) == []
    assert await cloud.leftovers() == CLEAN


async def test_the_template_shown_is_the_one_that_runs(cloud: TestCloud) -> None:
    async with transaction(cloud.parts.pool) as tx:
        await save_template(tx, KNOWN["DEBIAN-12"])
        await place_image(tx, "DEBIAN-12", "px1", "local:import/tiny-linux.qcow2")
    debian, tiny = await cloud.launched(template_name="DEBIAN-12"), await cloud.launched()
    of_debian, of_tiny = await backed_up(cloud, debian), await backed_up(cloud, tiny)
    await cloud.completed((await restore_onto(cloud, of_debian, tiny))["task_id"])
    assert (await shown(cloud, tiny))["template_name"] == "DEBIAN-12"
    await cloud.completed(await restore(cloud, tiny, of_tiny))
    assert (await shown(cloud, tiny))["template_name"] == "TINY-LINUX"


@pytest.mark.parametrize("when", [r"/qemu$", r"/resize$"])
async def test_the_firewall_may_change_while_the_data_comes_back(cloud: TestCloud, when: str) -> None:
    instance_id = await cloud.launched()
    volid = await backed_up(cloud, instance_id)
    method = "POST" if when == r"/qemu$" else "PUT"
    slow = cloud.node.faults.add(Fault("delay", method, when, seconds=0.4))
    task_id = await restore(cloud, instance_id, volid)

    async def under_way() -> bool:
        return slow.fired == 1

    await eventually(under_way)
    rule = {"type": "in", "action": "DROP", "proto": "tcp", "dport": "25", "comment": "late", "enable": 1}
    assert (await cloud.customer.post(f"/instances/{instance_id}/firewall/rules", json=rule)).status_code == 200
    await cloud.completed(task_id)
    rules = (await cloud.customer.get(f"/instances/{instance_id}/firewall")).json()["rules"]
    assert [each["comment"] for each in rules] == ["late"]
    assert [each.comment for each in (await firewall_of(cloud, instance_id)).acting("in")] == ["late"]


async def test_many_changes_of_the_firewall_are_all_kept(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = await backed_up(cloud, instance_id)
    cloud.node.faults.add(Fault("delay", "GET", r"/firewall/rules$", times=None, seconds=0.02))
    task_id = await restore(cloud, instance_id, volid)
    path = f"/instances/{instance_id}/firewall/rules"
    written = 0
    while (await cloud.customer.get(f"/tasks/{task_id}")).json()["status"] in {"PENDING", "PROCESSING"}:
        rule = {"type": "in", "action": "ACCEPT", "comment": f"{written}"}
        assert (await cloud.customer.post(path, json=rule)).status_code == 200
        written += 1
    await cloud.completed(task_id)
    rules = (await cloud.customer.get(path.removesuffix("/rules"))).json()["rules"]
    assert [each["comment"] for each in rules] == [f"{number}" for number in reversed(range(written))]
