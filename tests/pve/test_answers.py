"""Recorded answers come out as the types of the client."""

import math
from collections.abc import Mapping
from typing import Any

import pytest

from bluelobster.pve import (
    BackupVolume,
    PciMapping,
    PveClient,
    Storage,
    Upid,
    VmStatus,
    VmSummary,
    Volume,
    backup_failure,
    errors,
)
from bluelobster.pve.fields import flag, integer, number
from pve.recordings import exchanges, recorded
from pve.server import answering


def having_said(scenario: str, title: str) -> PveClient:
    """A client that always gets this recorded answer."""
    return answering(200, recorded(scenario, title).body)


async def test_version() -> None:
    async with having_said("cluster", "version") as pve:
        assert await pve.version() == "9.2.11"


async def test_nodes() -> None:
    async with having_said("cluster", "nodes") as pve:
        (node,) = await pve.nodes()
    assert (node.name, node.online) == ("pve1", True)


async def test_nodes_as_a_token_without_rights_sees_them() -> None:
    async with having_said("auth", "token without any permission: nodes") as pve:
        (node,) = await pve.nodes()
    assert (node.name, node.online) == ("pve1", True)


async def test_node_status() -> None:
    async with having_said("cluster", "node status") as pve:
        status = await pve.node_status()
    assert (status.cores, status.memory_bytes, status.memory_used_bytes) == (2, 25276502016, 1621659648)
    assert status.uptime == 3781
    assert 0 <= status.cpu <= 1


async def test_storages() -> None:
    async with having_said("cluster", "node storages") as pve:
        store, local = await pve.storages()
    assert store == Storage(
        name="store",
        type="dir",
        content=frozenset({"import", "vztmpl", "iso", "snippets", "backup", "images"}),
        active=True,
        shared=False,
        total_bytes=270553174016,
        used_bytes=32834650112,
        available_bytes=76109643776,
    )
    assert "import" not in local.content


async def test_volumes() -> None:
    async with having_said("lifecycle", "after delete: content") as pve:
        (volume,) = await pve.storage_content("store", "import")
    assert volume == Volume("store:import/tiny.qcow2", "import", "qcow2", 21954560, 1795429587, None)


async def test_volumes_of_a_machine() -> None:
    async with having_said("backup", "content") as pve:
        volumes = await pve.storage_content("store", "backup")
    assert [volume.vmid for volume in volumes] == [130, 130]


async def test_the_room_of_a_storage() -> None:
    async with having_said("cluster", "storage status") as pve:
        store = await pve.storage_status("store")
    assert (store.name, store.active, store.available_bytes > 0) == ("store", True, True)
    assert "backup" in store.content


async def test_backups_of_a_machine() -> None:
    async with having_said("backup", "content") as pve:
        first, second = await pve.backup_volumes("store", 130)
    assert first == BackupVolume(
        volid="store:backup/vzdump-qemu-130-2026_11_23-10_34_56.vma.zst",
        vmid=130,
        created_at=1795430096,
        size_bytes=21136487,
        format="vma.zst",
        notes="db-1 one",
        protected=False,
    )
    assert second.notes == "db-1 two"


async def test_all_lines_of_a_backup_s_notes() -> None:
    async with having_said("backup", "notes of the volume") as pve:
        found = await pve.volume_attributes("store", "store:backup/vzdump-qemu-130-2026_11_23-10_34_56.vma.zst")
    assert (found.notes, found.protected, found.size_bytes) == ("line one\nline two", False, 21136896)


async def test_a_backup_of_another_node_s_machine_starts_nothing() -> None:
    async with answering(200, {"data": "OK"}) as pve:
        assert await pve.start_backup(130, "store", "notes") is None


async def test_the_log_tells_why_a_backup_failed() -> None:
    log = [line["t"] for line in recorded("backup", "backup of a missing vm: task log").data]
    found = backup_failure(errors.TaskFailed("job errors"), log)
    assert (type(found), found.text) == (errors.VmNotFound, "unable to find VM '999'")
    silent = errors.TaskFailed("job errors")
    assert backup_failure(silent, log[:1]) is silent
    known = errors.StorageNotFound("storage 'nosuch' does not exist")
    assert backup_failure(known, log) is known


async def test_no_pci_mappings() -> None:
    async with having_said("cluster", "pci mappings") as pve:
        assert await pve.pci_mappings() == []


async def test_pci_mappings_count_the_devices_of_this_node() -> None:
    lines = [
        "id=10de:24b0,iommugroup=12,node=pve1,path=0000:01:00.0,subsystem-id=10de:14ad",
        "id=10de:24b0,iommugroup=13,node=pve1,path=0000:02:00.0",
        "id=10de:24b0,iommugroup=12,node=pve10,path=0000:01:00.0",
    ]
    entries = [{"id": "A4000", "description": "RTX A4000", "map": lines, "digest": "x"}, {"id": "NONE", "map": []}]
    async with answering(200, {"data": entries}) as pve:
        assert await pve.pci_mappings() == [PciMapping("A4000", "RTX A4000", 2), PciMapping("NONE", "", 0)]


async def test_permissions() -> None:
    async with having_said("auth", "permissions of the token") as pve:
        granted = await pve.permissions()
    assert set(granted) == {"/vms"}
    assert "VM.PowerMgmt" in granted["/vms"]
    assert "Sys.Audit" not in granted["/vms"]


async def test_a_permission_that_is_not_inherited_is_one() -> None:
    async with answering(200, {"data": {"/vms/101": {"VM.Audit": 0}}}) as pve:
        assert await pve.permissions() == {"/vms/101": frozenset({"VM.Audit"})}


async def test_machines_of_the_cluster() -> None:
    async with having_said("lifecycle", "resources while running") as pve:
        (machine,) = await pve.vms()
    assert machine == VmSummary(
        vmid=101,
        node="pve1",
        name="web-2",
        status="running",
        template=False,
        lock=None,
        cpu=0.162076120900962,
        maxcpu=2,
        mem=45400064,
        maxmem=335544320,
        netin=290,
        netout=586,
        diskread=13042758,
        diskwrite=0,
        uptime=16,
        tags=frozenset({"bl", "gpu"}),
    )


async def test_machines_of_a_node_that_just_started_and_containers() -> None:
    entries = [
        {"id": "qemu/101", "type": "qemu", "vmid": 101, "node": "pve1", "status": "unknown"},
        {"id": "lxc/102", "type": "lxc", "vmid": 102, "node": "pve1", "status": "running"},
    ]
    async with answering(200, {"data": entries}) as pve:
        (machine,) = await pve.vms()
    assert (machine.vmid, machine.status, machine.name, machine.maxmem) == (101, "unknown", None, 0)
    assert machine.tags == frozenset()


async def test_configuration() -> None:
    async with having_said("lifecycle", "config, active values") as pve:
        config = await pve.vm_config(101)
    assert config.uuid == "c999ba74-280a-4c80-809f-d80b53971da5"
    assert (config.name, config.description, config.lock) == ("web-1", "made by a test", None)
    assert config.digest == "286aed818bf4001ccb705d4ade48a1d88c49ecd9"
    assert config.options["scsi0"] == "store:101/vm-101-disk-0.qcow2,size=64M"


async def test_configuration_that_a_failed_restore_left() -> None:
    async with having_said("backup", "is 132 left behind?") as pve:
        config = await pve.vm_config(132)
    assert (config.uuid, config.name, config.description) == (None, None, None)


@pytest.mark.parametrize(
    ("smbios", "uuid"),
    [
        ("base64=1,uuid=ABCDEF00-2222-4333-8444-555555555555,family=eA==", "abcdef00-2222-4333-8444-555555555555"),
        ("family=uuid", None),
        ("", None),
    ],
)
async def test_uuid_among_other_smbios_fields(smbios: str, uuid: str | None) -> None:
    async with answering(200, {"data": {"smbios1": smbios, "digest": "x"}}) as pve:
        assert (await pve.vm_config(101)).uuid == uuid


@pytest.mark.parametrize(
    ("title", "power"),
    [
        ("status before start", "stopped"),
        ("status while running", "running"),
        ("status while suspended", "paused"),
        ("status after shutdown", "stopped"),
    ],
)
async def test_power(title: str, power: str) -> None:
    async with having_said("lifecycle", title) as pve:
        assert (await pve.vm_status(101)).power == power


async def test_a_stopped_machine_that_is_backed_up_is_stopped() -> None:
    status = VmStatus.parse({"vmid": 101, "status": "running", "qmpstatus": "prelaunch", "lock": "backup"})
    assert (status.power, status.lock) == ("stopped", "backup")


async def test_every_recorded_status() -> None:
    found = [exchange for exchange in exchanges() if exchange.path.endswith("/status/current")]
    parsed = [VmStatus.parse(exchange.data) for exchange in found if exchange.status == 200]
    assert len(parsed) >= 9
    for status in parsed:
        assert status.cpus >= 1
        assert status.maxmem > 0
        assert 0 <= status.cpu <= 1
        assert (status.power == "stopped") == (status.uptime == 0 and status.mem == 0)


async def test_running_tasks_leave_out_those_that_ended() -> None:
    ended: list[dict[str, Any]] = recorded("cluster", "node tasks").data
    running = {name: value for name, value in ended[0].items() if name not in ("endtime", "status")}
    async with answering(200, {"data": [running, *ended[1:]]}) as pve:
        (task,) = await pve.running_tasks()
    assert (task.type, task.vmid, str(task)) == ("qmdestroy", 100, ended[0]["upid"])


async def test_task_log() -> None:
    async with having_said("iso", "download again: the file exists: task log") as pve:
        upid = Upid.parse(recorded("iso", "download again: the file exists").data)
        lines = await pve.task_log(upid)
    assert lines[1] == "TASK ERROR: refusing to override existing file '/mnt/store/template/iso/boot.iso'"


@pytest.mark.parametrize("value", [512, "512", "512.0", 512.0])
def test_numbers_may_be_strings(value: object) -> None:
    assert integer({"memory": value}, "memory") == 512
    assert number({"memory": value}, "memory") == 512.0


@pytest.mark.parametrize(
    ("value", "truth"), [(1, True), ("1", True), (True, True), (0, False), ("0", False), (None, False)]
)
def test_booleans_are_numbers(value: object, truth: bool) -> None:
    assert flag({"template": value}, "template") is truth


@pytest.mark.parametrize("value", [(1 << 60) + 1, str((1 << 60) + 1)])
def test_large_counters_are_not_rounded(value: object) -> None:
    assert integer({"netin": value}, "netin") == (1 << 60) + 1


@pytest.mark.parametrize(
    "fields", [{}, *({"memory": value} for value in (None, "lots", [1], "", "nan", math.inf, 1e999, "0x10"))]
)
def test_a_field_that_is_no_number(fields: Mapping[str, object]) -> None:
    with pytest.raises(errors.UnexpectedAnswer, match="memory"):
        integer(fields, "memory")


@pytest.mark.parametrize("data", [None, [], "OK", 7])
async def test_an_answer_of_another_shape(data: object) -> None:
    async with answering(200, {"data": data}) as pve:
        with pytest.raises(errors.UnexpectedAnswer):
            await pve.vm_status(101)
        with pytest.raises(errors.UnexpectedAnswer):
            await pve.start(101)


async def test_a_list_of_another_shape() -> None:
    async with answering(200, {"data": {}}) as pve:
        with pytest.raises(errors.UnexpectedAnswer):
            await pve.nodes()
    async with answering(200, {"data": ["pve1"]}) as pve:
        with pytest.raises(errors.UnexpectedAnswer):
            await pve.nodes()


async def test_what_the_guest_s_agent_says_of_its_cards() -> None:
    async with having_said("lifecycle", "agent: network interfaces") as pve:
        loopback, card = await pve.agent_interfaces(101)
    assert loopback.addresses == ("127.0.0.1",)
    assert (card.mac, card.addresses) == ("BC:24:11:6A:DF:2A", ("10.99.0.50",))
