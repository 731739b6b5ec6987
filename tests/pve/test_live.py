"""The client against the local node, over TLS on the loopback, with simulated guests."""

import asyncio
import struct
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bluelobster.pve import Endpoint, PciMapping, PveClient, Upid, backup_failure, encode_ssh_keys, errors
from pve.test_requests import KEY
from pvelocal.faults import Fault, StorageFault
from pvelocal.gpus import GpuMapping
from pvelocal.node import NodeSettings
from pvelocal.running import RunningNode, running_node
from pvelocal.simulated import SimulatedHypervisor

IMAGE = "tiny-linux.qcow2"
GIB = 1 << 30
PATIENCE = 10
VMID = 101
UUID = str(uuid.UUID(int=0x1234, version=4))
MACHINE: dict[str, str | int] = {
    "name": "web-1",
    "cores": 2,
    "memory": 512,
    "machine": "q35",
    "scsihw": "virtio-scsi-single",
    "scsi0": f"local:0,import-from=local:import/{IMAGE}",
    "ide2": "local:cloudinit",
    "boot": "order=scsi0",
    "net0": "virtio=BC:24:11:6A:DF:2A,bridge=vmbr0,firewall=1",
    "serial0": "socket",
    "agent": "enabled=1",
    "ostype": "l26",
    "smbios1": f"uuid={UUID}",
    "description": "a machine\nof two lines",
    "tags": "bl",
    "ciuser": "ubuntu",
    "cipassword": "$6$salt$hash",
    "sshkeys": encode_ssh_keys(KEY),
    "ciupgrade": 0,
    "ipconfig0": "ip=127.64.0.10/24,gw=127.64.0.1",
    "nameserver": "127.0.0.1",
}


@pytest.fixture
def guests(tmp_path: Path) -> SimulatedHypervisor:
    return SimulatedHypervisor(tmp_path / "guests")


@pytest.fixture
async def node(tmp_path: Path, guests: SimulatedHypervisor) -> AsyncIterator[RunningNode]:
    settings = NodeSettings(data=tmp_path / "node", gpus=[GpuMapping("A4000", "A4000", 2)], agent_timeout=0.1)
    async with running_node(settings, guests) as running:
        yield running


@pytest.fixture
async def pve(node: RunningNode) -> AsyncIterator[PveClient]:
    endpoint = Endpoint(node.url, f"{node.token.id}={node.token.secret}", node.fingerprint)
    async with PveClient(endpoint, node.node.name) as client:
        yield client


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The header of a qcow2 image of 1 GiB, which is all that a simulated guest reads."""
    path = tmp_path / IMAGE
    path.write_bytes(b"QFI\xfb" + struct.pack(">IQIIQ", 3, 0, 0, 16, GIB) + bytes(3 << 20))
    return path


@pytest.fixture
async def machine(pve: PveClient, image: Path) -> int:
    """A machine that was created from an uploaded image and never started."""
    moved = await pve.upload("local", "import", IMAGE, image)
    if moved is not None:
        await done(pve, moved)
    await done(pve, await pve.create_vm(VMID, MACHINE))
    return VMID


async def done(pve: PveClient, upid: Upid) -> None:
    await pve.wait(upid, timeout=PATIENCE, poll=0.01)


async def agent_answers(pve: PveClient, vmid: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await pve.agent_ping(vmid)
            except errors.AgentNotRunning:
                await asyncio.sleep(0.01)


async def test_the_node(pve: PveClient) -> None:
    assert (await pve.version()).startswith("9.")
    assert [(node.name, node.online) for node in await pve.nodes()] == [("px1", True)]
    status = await pve.node_status()
    assert status.cores >= 1
    assert status.memory_bytes > GIB
    storages = {each.name: each for each in await pve.storages()}
    assert {"images", "import", "iso"} <= storages["local"].content
    assert storages["backup"].content == {"backup"}
    for storage in storages.values():
        assert storage.active
        assert 0 < storage.available_bytes <= storage.total_bytes
        assert (await pve.storage_status(storage.name)).content == storage.content
    assert await pve.pci_mappings() == [PciMapping("A4000", "A4000", 2)]
    assert "VM.Allocate" in (await pve.permissions())["/vms"]


async def test_an_upload_arrives_whole(pve: PveClient, node: RunningNode, image: Path, machine: int) -> None:
    (volume,) = await pve.storage_content("local", "import")
    assert (volume.volid, volume.format) == (f"local:import/{IMAGE}", "qcow2")
    (stored,) = node.node.settings.data.rglob(IMAGE)
    assert stored.read_bytes() == image.read_bytes()
    removed = await pve.delete_volume("local", volume.volid)
    if removed is not None:
        await done(pve, removed)
    assert await pve.storage_content("local", "import") == []


async def test_a_machine_is_what_was_asked_for(pve: PveClient, machine: int) -> None:
    config = await pve.vm_config(machine)
    assert (config.uuid, config.name) == (UUID, "web-1")
    assert (config.description or "").rstrip("\n") == "a machine\nof two lines"
    assert config.options["sshkeys"] == MACHINE["sshkeys"]
    assert config.digest
    with pytest.raises(errors.VmExists):
        await pve.create_vm(machine, {"memory": 256})


async def test_a_disk_only_grows(pve: PveClient, machine: int) -> None:
    await done(pve, await pve.resize_disk(machine, "scsi0", 10))
    assert "size=10G" in str((await pve.vm_config(machine)).options["scsi0"])
    with pytest.raises(errors.DiskShrink):
        await done(pve, await pve.resize_disk(machine, "scsi0", 1))
    with pytest.raises(errors.DiskMissing):
        await done(pve, await pve.resize_disk(machine, "scsi7", 10))


async def test_options_change(pve: PveClient, machine: int) -> None:
    before = await pve.vm_config(machine)
    await pve.update_vm(machine, {"name": "web-2"}, ["cipassword"])
    after = await pve.vm_config(machine)
    assert (after.name, "cipassword" in after.options) == ("web-2", False)
    with pytest.raises(errors.ConfigChanged):
        await pve.update_vm(machine, {"name": "web-3", "digest": before.digest or ""})
    with pytest.raises(errors.InvalidParameter) as refused:
        await pve.update_vm(machine, {"name": "web_3"})
    assert set(refused.value.errors) == {"name"}


async def test_power(pve: PveClient, machine: int) -> None:
    assert (await pve.vm_status(machine)).power == "stopped"
    with pytest.raises(errors.VmNotRunning):
        await pve.agent_ping(machine)
    await done(pve, await pve.start(machine))
    await agent_answers(pve, machine)
    with pytest.raises(errors.VmRunning):
        await done(pve, await pve.start(machine))
    with pytest.raises(errors.VmRunning):
        await done(pve, await pve.destroy(machine))
    status = await pve.vm_status(machine)
    assert (status.power, status.cpus, status.maxmem) == ("running", 2, 512 << 20)
    (listed,) = await pve.vms()
    assert (listed.vmid, listed.node, listed.name, listed.status) == (machine, "px1", "web-1", "running")
    await done(pve, await pve.reset(machine))
    await agent_answers(pve, machine)
    await done(pve, await pve.shutdown(machine, 5))
    assert (await pve.vm_status(machine)).power == "stopped"
    await done(pve, await pve.stop(machine))


async def test_a_guest_that_does_not_shut_down(pve: PveClient, guests: SimulatedHypervisor, machine: int) -> None:
    guests.behaviour.obeys_power_button = False
    await done(pve, await pve.start(machine))
    with pytest.raises(errors.GuestTimeout):
        await done(pve, await pve.shutdown(machine, 0))
    await done(pve, await pve.stop(machine))
    assert (await pve.vm_status(machine)).power == "stopped"


async def test_nothing_is_left_of_a_destroyed_machine(pve: PveClient, machine: int) -> None:
    await done(pve, await pve.destroy(machine))
    assert await pve.vms() == []
    assert await pve.storage_content("local", "images") == []
    for gone in (pve.vm_status, pve.vm_config, pve.destroy):
        with pytest.raises(errors.VmNotFound):
            await gone(machine)
    with pytest.raises(errors.VmNotFound):
        await done(pve, await pve.start(machine))


async def test_a_task_that_hangs_is_found_by_its_machine(pve: PveClient, node: RunningNode, machine: int) -> None:
    node.faults.add(Fault("task-hangs", "POST", "/status/start"))
    upid = await pve.start(machine)
    assert await pve.running_tasks(machine) == [upid]
    assert await pve.running_tasks(machine + 1) == []
    with pytest.raises(errors.TaskTimeout):
        await pve.wait(upid, timeout=0.05, poll=0.01)


async def test_a_task_that_fails(pve: PveClient, node: RunningNode, machine: int) -> None:
    node.faults.add(Fault("task-fails", "POST", "/status/start", message="start failed: QEMU exited with code 1"))
    upid = await pve.start(machine)
    with pytest.raises(errors.TaskFailed, match="QEMU exited"):
        await done(pve, upid)
    assert "start failed: QEMU exited with code 1" in "".join(await pve.task_log(upid))


async def test_a_lost_answer(pve: PveClient, node: RunningNode, machine: int) -> None:
    dropped = node.faults.add(Fault("drop-after", "POST", "/status/start", times=None))
    with pytest.raises(errors.ConnectionLost):
        await pve.start(machine)
    assert dropped.fired == 1
    node.faults.add(Fault("drop-before", "GET", "/status/current", times=2))
    assert (await pve.vm_status(machine)).vmid == machine


async def test_another_token(node: RunningNode) -> None:
    wrong = Endpoint(node.url, f"{node.token.id}=00000000-0000-4000-8000-000000000000", node.fingerprint)
    async with PveClient(wrong, "px1") as client:
        with pytest.raises(errors.Unauthorized):
            await client.version()


async def test_another_certificate(node: RunningNode) -> None:
    wrong = Endpoint(node.url, f"{node.token.id}={node.token.secret}", "00" * 32)
    async with PveClient(wrong, "px1") as client:
        with pytest.raises(errors.CertificateMismatch):
            await client.version()


async def test_another_node(node: RunningNode) -> None:
    endpoint = Endpoint(node.url, f"{node.token.id}={node.token.secret}", node.fingerprint)
    async with PveClient(endpoint, "nosuch") as client:
        with pytest.raises(errors.NodeNotFound):
            await client.node_status()


async def test_a_backup_s_life(pve: PveClient, machine: int) -> None:
    upid = await pve.start_backup(machine, "backup", "web-1 {{vmid}} of acme")
    assert upid is not None
    await done(pve, upid)
    (volume,) = await pve.backup_volumes("backup", machine)
    assert (volume.vmid, volume.format, volume.protected) == (machine, "pbs-vm", False)
    assert volume.notes == "web-1 ((vmid)) of acme"
    assert volume.size_bytes >= GIB
    assert await pve.backup_volumes("backup", machine + 1) == []
    await pve.set_volume_notes("backup", volume.volid, "line one\nline two")
    found = await pve.volume_attributes("backup", volume.volid)
    assert (found.notes, found.protected) == ("line one\nline two", False)
    await done(pve, await pve.restore_vm(machine + 1, volume.volid, "local", {"name": "web-2", "memory": 256}))
    assert (await pve.vm_config(machine + 1)).name == "web-2"
    with pytest.raises(errors.VmExists):
        await pve.restore_vm(machine, volume.volid, "local", {})
    removed = await pve.delete_volume("backup", volume.volid)
    assert removed is not None
    await done(pve, removed)
    assert await pve.backup_volumes("backup") == []
    with pytest.raises(errors.VolumeNotFound):
        await pve.volume_attributes("backup", volume.volid)
    with pytest.raises(errors.VolumeNotFound):
        await pve.restore_vm(machine + 2, volume.volid, "local", {})


async def test_a_backup_that_cannot_be(pve: PveClient, node: RunningNode, machine: int) -> None:
    for vmid, storage, kind in ((999, "backup", errors.VmNotFound), (machine, "nosuch", errors.StorageNotFound)):
        upid = await pve.start_backup(vmid, storage, "notes")
        assert upid is not None
        with pytest.raises(errors.PveError) as failed:
            await done(pve, upid)
        assert type(backup_failure(failed.value, await pve.task_log(upid))) is kind
    node.node.faults.befall_storage("backup", StorageFault(gone=True))
    assert not (await pve.storage_status("backup")).active
    with pytest.raises(errors.StorageUnavailable):
        await pve.backup_volumes("backup")


async def test_a_backup_is_stopped(pve: PveClient, node: RunningNode, machine: int) -> None:
    node.node.faults.befall_storage("backup", StorageFault(seconds=60))
    upid = await pve.start_backup(machine, "backup", "notes")
    assert upid is not None
    await pve.stop_task(upid)
    with pytest.raises(errors.TaskFailed):
        await done(pve, upid)
    assert await pve.backup_volumes("backup") == []
    assert (await pve.vm_config(machine)).lock is None
