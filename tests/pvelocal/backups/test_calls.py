"""Backups through the API: what is listed, what comes back, what is refused."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from local_backups import CONTENT, MIB, NODE, back_up, chunks, disk_of, dump, listed, remove, restore, volume
from pvelocal.access import Token
from pvelocal.faults import Fault, StorageFault
from pvelocal.running import running_node
from pvelocal.simulated import SimulatedHypervisor
from pvelocal.simulated_disks import read_content

CARD = "virtio=BC:24:11:00:00:07,bridge=vmbr0"


def write(client: Any, vmid: int, offset: int, data: bytes) -> None:
    client.running.hypervisor.write(disk_of(client, vmid), offset, data)


def read(client: Any, vmid: int, offset: int, length: int) -> bytes:
    return read_content(disk_of(client, vmid), offset, length)


@pytest.fixture
async def machine(client: Any) -> Any:
    """A client of a node with machine 101, which has something on its disk."""
    assert await client.create(101, cores=2, net0=CARD) == "OK"
    write(client, 101, 5 * MIB, b"first")
    return client


async def test_what_a_list_shows(machine: Any) -> None:
    notes = "{{guestname}} of {{vmid}} on {{node}}\\nin {{cluster}}, a \\\\"
    await back_up(machine, notes_template=notes, protected=1)
    (entry,) = await listed(machine, vmid=101)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry["ctime"]))
    assert time.time() - 60 < entry.pop("ctime") <= time.time()
    assert 64 * MIB < entry.pop("size") < 64 * MIB + 10_000
    assert entry == {
        "volid": f"backup:backup/vm/101/{moment}", "content": "backup", "subtype": "qemu", "format": "pbs-vm",
        "vmid": 101, "notes": "vm-101 of 101 on px1\nin standalone node, a \\", "protected": 1,
    }  # fmt: skip
    assert await listed(machine, vmid=102) == []


async def test_notes_and_protection_change(machine: Any) -> None:
    await back_up(machine)
    (entry,) = await listed(machine)
    assert "notes" not in entry
    assert "protected" not in entry
    path = volume(entry["volid"])
    assert (await machine.call("PUT", path, notes="one\ntwo", protected=1)).status_code == 200
    shown = await machine.get(path)
    assert (shown["notes"], shown["protected"], shown["format"]) == ("one\ntwo", 1, "pbs-vm")
    why = f"cannot remove protected volume '{entry['volid'].partition(':')[2]}' on 'backup'"
    assert await remove(machine, entry["volid"]) == why
    await machine.call("PUT", path, protected=0)
    assert (await listed(machine))[0]["notes"] == "one\ntwo"
    assert await remove(machine, entry["volid"]) == "OK"
    assert (await machine.call("PUT", path, notes="")).reason_phrase == f"volume '{entry['volid']}' does not exist"
    assert (await machine.call("GET", volume("backup:backup/x"))).reason_phrase.startswith("unable to parse PBS volume")


async def test_a_restore_onto_another_machine(machine: Any) -> None:
    await machine.power(101, "start")
    await machine.call("POST", f"{NODE}/qemu/101/firewall/rules", type="in", action="DROP", enable=1)
    await back_up(machine)
    write(machine, 101, 5 * MIB, b"other")
    (entry,) = await listed(machine)
    options = {"name": "copy", "memory": 320, "unique": 1, "start": 1, "storage": "local"}
    assert await restore(machine, 102, entry["volid"], **options) == "OK"
    assert read(machine, 102, 5 * MIB, 6) == b"first\0"
    assert await machine.state(102) == "running"
    first, second = [await machine.get(f"{NODE}/qemu/{vmid}/config") for vmid in (101, 102)]
    assert (second["name"], second["memory"], second["cores"]) == ("copy", "320", 2)
    assert second["scsi0"] == "local:102/vm-102-disk-0.qcow2,size=64M"
    assert second["ide2"] == "local:102/vm-102-cloudinit.qcow2,media=cdrom"
    for name in ("net0", "smbios1", "vmgenid"):
        assert first[name] != second[name]
    (rule,) = await machine.get(f"{NODE}/qemu/102/firewall/rules")
    assert rule["action"] == "DROP"
    assert await machine.act("PUT", f"{NODE}/qemu/102/resize", disk="scsi0", size="1G") == "OK"
    assert read(machine, 102, 5 * MIB, 5) == b"first"


async def test_an_identity_of_its_own(machine: Any) -> None:
    await back_up(machine)
    (entry,) = await listed(machine)
    uuid = "uuid=99999999-8888-4777-8666-555555555555"
    options = {"net0": "virtio=BC:24:11:00:00:08,bridge=vmbr0", "smbios1": uuid, "ipconfig0": "ip=192.0.2.7/24"}
    assert await restore(machine, 102, entry["volid"], **options) == "OK"
    config = await machine.get(f"{NODE}/qemu/102/config")
    assert {name: config[name] for name in options} == options
    assert await restore(machine, 103, entry["volid"]) == "OK"
    assert (await machine.get(f"{NODE}/qemu/103/config"))["net0"] == CARD


async def test_a_restore_over_a_machine(machine: Any) -> None:
    await back_up(machine)
    (entry,) = await listed(machine)
    assert await machine.act("POST", f"{NODE}/qemu/101/config", scsi1="local:1", scsi3="local:1") == "OK"
    write(machine, 101, 5 * MIB, b"other")
    assert await restore(machine, 101, entry["volid"], force=1) == "OK"
    assert read(machine, 101, 5 * MIB, 5) == b"first"
    config = await machine.get(f"{NODE}/qemu/101/config")
    assert {name for name in config if name.startswith(("scsi", "unused"))} == {"scsi0", "unused0", "unused1"}
    machine.running.node.vms.get(101).config["protection"] = 1
    why = "unable to restore VM 101 - can't remove VM 101 - protection mode enabled"
    assert await restore(machine, 101, entry["volid"], force=1) == why
    machine.running.node.vms.get(101).config["lock"] = "backup"
    refused = await machine.call("POST", f"{NODE}/qemu", vmid=101, archive=entry["volid"], force=1)
    assert refused.reason_phrase == "unable to restore VM 101 - VM is locked (backup)"


async def test_no_archive_and_force_is_a_blank_machine(machine: Any) -> None:
    assert await machine.act("POST", f"{NODE}/qemu", vmid=101, archive="", force=1, name="blank") == "OK"
    assert "scsi0" not in await machine.get(f"{NODE}/qemu/101/config")


async def test_a_failed_restore_leaves_an_empty_machine(machine: Any) -> None:
    await back_up(machine)
    (entry,) = await listed(machine)
    (chunk,) = machine.running.node.settings.data.glob("backups/chunks/*/*")
    chunk.write_bytes(bytes(len(chunk.read_bytes())))
    assert await restore(machine, 102, entry["volid"]) == f"chunk {chunk.name} is corrupt: wrong digest"
    assert set(await machine.get(f"{NODE}/qemu/102/config")) == {"digest"}
    assert not disk_of(machine, 102).exists()
    assert not list((machine.running.node.settings.data / "backups/tmp").iterdir())
    chunk.unlink()
    assert await restore(machine, 103, entry["volid"]) == f"chunk {chunk.name} is missing"


async def test_a_machine_that_does_not_start_after_its_restore(machine: Any) -> None:
    await back_up(machine)
    (entry,) = await listed(machine)
    status = await restore(machine, 102, entry["volid"], start=1, hostpci0="mapping=nosuch")
    assert status == "WARNINGS: 1"
    assert await machine.state(102) == "stopped"


async def test_disks_left_out_and_disks_of_firmware(client: Any) -> None:
    disks = {"scsi1": "local:1,backup=0", "efidisk0": "local:1,efitype=4m"}
    assert await client.create(101, **disks) == "OK"
    log = await back_up(client)
    assert any(line.startswith("INFO: exclude disk 'scsi1'") and line.endswith("(backup=no)") for line in log)
    assert any(line.startswith("INFO: include disk 'efidisk0'") for line in log)
    (entry,) = await listed(client)
    assert await restore(client, 102, entry["volid"]) == "OK"
    config = await client.get(f"{NODE}/qemu/102/config")
    assert "scsi1" not in config
    assert config["efidisk0"].startswith("local:102/")
    text = await client.get(f"{NODE}/vzdump/extractconfig", volume=entry["volid"])
    assert "\n#qmdump#map:efidisk0:drive-efidisk0:local:raw:\n" in text


async def test_changes_of_a_running_guest(machine: Any) -> None:
    await machine.power(101, "start")
    assert "INFO: scsi0: dirty-bitmap status: created new" in await back_up(machine)
    write(machine, 101, 33 * MIB, b"second")
    log = await back_up(machine)
    assert "INFO: scsi0: dirty-bitmap status: OK (4.0 MiB of 64.0 MiB dirty)" in log
    assert "INFO: using fast incremental mode (dirty-bitmap), 4.0 MiB dirty of 64.0 MiB total" in log
    assert "INFO: backup was done incrementally, reused 60.00 MiB (93%)" in log
    assert any(line.startswith("INFO: transferred 4.00 MiB in ") for line in log)
    assert "INFO: scsi0: dirty-bitmap status: OK (drive clean)" in await back_up(machine)
    assert len(chunks(machine)) == 2
    *_, last = await listed(machine)
    assert await restore(machine, 102, last["volid"]) == "OK"
    assert read(machine, 102, 0, 64 * MIB) == read(machine, 101, 0, 64 * MIB)
    await remove(machine, last["volid"])
    assert "INFO: scsi0: dirty-bitmap status: created new" in await back_up(machine)


@pytest.mark.parametrize("running", [True, False])
async def test_what_became_zeroes(machine: Any, running: bool) -> None:
    if running:
        await machine.power(101, "start")
    await back_up(machine)
    write(machine, 101, 0, bytes(64 * MIB))
    await back_up(machine)
    _, last = await listed(machine)
    assert await restore(machine, 102, last["volid"]) == "OK"
    assert read(machine, 102, 0, 64 * MIB) == bytes(64 * MIB)


async def test_the_backup_that_a_running_one_builds_on_is_removed(machine: Any) -> None:
    await machine.power(101, "start")
    await back_up(machine)
    (first,) = await listed(machine)
    write(machine, 101, 40 * MIB, b"second")
    machine.running.faults.befall_storage("backup", StorageFault(seconds=0.2))
    upid = (await machine.call("POST", f"{NODE}/vzdump", vmid=101, storage="backup")).json()["data"]
    lines = machine.running.node.tasks.get(upid).lines
    async with asyncio.timeout(10):
        while not any("using fast incremental mode" in line for line in lines):
            await asyncio.sleep(0)
    assert await remove(machine, first["volid"]) == "OK"
    assert await machine.end_of(upid) == "OK"
    (last,) = await listed(machine)
    assert await restore(machine, 102, last["volid"]) == "OK"
    assert read(machine, 102, 0, 64 * MIB) == read(machine, 101, 0, 64 * MIB)


async def test_locked_while_it_runs(machine: Any) -> None:
    machine.running.faults.befall_storage("backup", StorageFault(seconds=30))
    await machine.power(101, "start")
    upid = (await machine.call("POST", f"{NODE}/vzdump", vmid=101, storage="backup")).json()["data"]
    async with asyncio.timeout(10):
        while (await machine.get(f"{NODE}/qemu/101/status/current")).get("lock") != "backup":
            await asyncio.sleep(0)
    assert (await machine.call("PUT", f"{NODE}/qemu/101/config", name="x")).reason_phrase == "VM is locked (backup)"
    assert await machine.power(101, "stop") == "VM is locked (backup)"
    waiting = (await machine.call("POST", f"{NODE}/vzdump", vmid=101, storage="backup")).json()["data"]
    await asyncio.sleep(0)
    assert machine.running.node.tasks.get(waiting).lines == ["INFO: trying to get global lock - waiting..."]
    for task in (waiting, upid):
        await machine.call("DELETE", f"{NODE}/tasks/{task}")
        assert await machine.end_of(task) == "received interrupt"
    assert "lock" not in await machine.get(f"{NODE}/qemu/101/status/current")
    assert (await listed(machine), chunks(machine)) == ([], set())
    assert machine.running.hypervisor.frozen == set()


async def test_progress(machine: Any) -> None:
    machine.running.faults.befall_storage("backup", StorageFault(seconds=0.1))
    lines = [line for line in await back_up(machine) if "%" in line and "read:" in line]
    told = [int(line[6:9]) for line in lines]
    assert told == sorted(told)
    assert set(told) >= set(range(10, 101, 10))


async def test_backups_of_one_second(machine: Any) -> None:
    for _ in range(3):
        await back_up(machine)
    assert len({entry["volid"] for entry in await listed(machine)}) == 3


async def test_what_is_wrong_shows_in_the_task(machine: Any) -> None:
    await machine.power(101, "start")
    assert (await dump(machine, mode="stop"))[0] == "job errors"
    status, log = await dump(machine, vmid="101,102")
    assert status == "job errors"
    assert "ERROR: Backup of VM 102 failed - unable to find VM '102'" in log
    assert len(await listed(machine)) == 1
    assert (await dump(machine, storage="local"))[0].endswith("can't use storage 'local' for backups")
    (entry,) = await listed(machine)
    assert await restore(machine, 103, entry["volid"], storage="nosuch") == "storage 'nosuch' does not exist"
    assert await restore(machine, 104, entry["volid"], storage="backup") == "storage 'backup' does not exist"


@pytest.mark.parametrize(
    ("parameters", "errors"),
    [
        ({"notes-template": r"a\x"}, {"notes-template": r"found unknown: escape sequence '\x' at char 1" + "\n"}),
        ({"notes-template": "a\nb"}, {"notes-template": "contains a line feed\n"}),
        ({"vmid": "1"}, {"vmid": "invalid format - value does not look like a valid VM ID\n"}),
        ({"vmid": ""}, {"vmid": "property is missing"}),
    ],
)
async def test_refused(client: Any, parameters: dict[str, str], errors: dict[str, str]) -> None:
    data = {"vmid": "101", "storage": "backup", **parameters}
    response = await client.http.post(f"{NODE}/vzdump", data=data)
    assert (response.status_code, response.json()["errors"]) == (400, errors)


async def test_restores_that_are_refused(machine: Any) -> None:
    await back_up(machine)
    (entry,) = await listed(machine)
    asked = {"vmid": 102, "archive": entry["volid"]}
    response = await machine.call("POST", f"{NODE}/qemu", **asked, efidisk0="local:1")
    assert response.json()["errors"] == {"efidisk0": "option conflicts with option 'archive'"}
    response = await machine.call("POST", f"{NODE}/qemu", **asked, live_restore=1)
    assert response.status_code == 501
    for archive in ("local:backup/x.vma", "nosuch:backup/vm/101/2020-01-01T00:00:00Z"):
        response = await machine.call("POST", f"{NODE}/qemu", vmid=102, archive=archive)
        assert response.reason_phrase == f"volume '{archive}' does not exist"
        response = await machine.call("GET", f"{NODE}/vzdump/extractconfig", volume=archive)
        assert response.reason_phrase == f"volume '{archive}' does not exist"
    assert (await machine.call("PUT", f"{NODE}/storage/local/content/iso%2Fx.iso", notes="x")).status_code == 500


async def test_who_may(tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: Any) -> None:
    rights = {"/storage/backup": frozenset({"Datastore.AllocateSpace"}), "/vms/101": frozenset({"VM.Backup"})}
    someone = Token("someone@pve", "t", "s" * 36, rights)
    async with running_node(tmp_path, hypervisor, tokens=[someone]) as running:
        async with make_client(running) as root:
            for vmid in (101, 102):
                await root.create(vmid)
                await back_up(root, vmid)
            (other,) = await listed(root, vmid=102)
        async with make_client(running, someone.header) as client:
            assert [entry["vmid"] for entry in await listed(client)] == [101]
            for method in ("GET", "DELETE", "PUT"):
                assert (await client.call(method, volume(other["volid"]))).status_code == 403
            assert (await client.call("POST", f"{NODE}/vzdump", vmid=102, storage="backup")).status_code == 403
            asked = {"vmid": 101, "archive": other["volid"], "force": 1}
            assert (await client.call("POST", f"{NODE}/qemu", **asked)).status_code == 403


async def test_a_restore_that_is_told_to_fail(machine: Any) -> None:
    await back_up(machine)
    (entry,) = await listed(machine)
    machine.running.faults.add(Fault("task-fails", "POST", "/qemu$", message="no"))
    assert await restore(machine, 102, entry["volid"]) == "no"
    assert set(await machine.get(f"{NODE}/qemu/102/config")) == {"digest"}


async def test_the_storage_is_listed(client: Any) -> None:
    (entry,) = [entry for entry in await client.get("/storage") if entry["storage"] == "backup"]
    assert (entry["type"], entry["content"]) == ("pbs", "backup")
    assert [entry["storage"] for entry in await client.get(f"{NODE}/storage", content="backup")] == ["backup"]
    status = await client.get(f"{NODE}/storage/backup/status")
    assert (status["type"], status["active"], status["used"]) == ("pbs", 1, 0)
    assert status["total"] == status["avail"] > 0
    assert (await client.call("GET", CONTENT, content="iso")).status_code == 500


async def test_a_torn_index_keeps_its_chunks(machine: Any) -> None:
    await back_up(machine)
    write(machine, 101, 9 * MIB, b"more")
    await back_up(machine)
    (path, _) = sorted(machine.running.node.settings.data.glob("backups/vm/101/*"))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text(json.dumps({"vmid": 1}), encoding="utf-8")
    (entry,) = await listed(machine)
    assert await remove(machine, entry["volid"]) == "OK"
    assert len(chunks(machine)) == 2
    path.write_text("\n".join(lines), encoding="utf-8")
    (entry,) = await listed(machine)
    assert await restore(machine, 102, entry["volid"]) == "OK"
