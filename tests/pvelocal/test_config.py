"""Configurations: what waits for a start, what becomes of replaced disks, and who may change what."""

from pathlib import Path
from typing import Any

import pytest

from pvelocal.access import Token
from pvelocal.hypervisor import HypervisorError
from pvelocal.node import NodeSettings
from pvelocal.running import running_node
from pvelocal.simulated import SimulatedHypervisor

CONFIG = "/nodes/px1/qemu/101/config"
SECRET = "11111111-1111-4111-8111-111111111111"
LEAST = frozenset(
    {
        "VM.Allocate", "VM.Audit", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Cloudinit", "VM.Config.Disk",
        "VM.Config.HWType", "VM.Config.Memory", "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt",
        "VM.GuestAgent.Audit", "Datastore.AllocateSpace", "Datastore.Audit", "Mapping.Use", "SDN.Use", "Sys.Audit",
    }
)  # fmt: skip


async def put(client: Any, **options: Any) -> Any:
    return await client.call("PUT", CONFIG, **options)


async def test_changes_wait_for_the_next_start(client: Any) -> None:
    await client.create(101)
    await client.power(101, "start")
    await put(client, memory=512, name="renamed", delete="net0")
    current = await client.get(CONFIG, current=1)
    assert (current["memory"], current["name"], "net0" in current) == ("256", "renamed", True)
    wanted = await client.get(CONFIG)
    assert (wanted["memory"], "net0" in wanted) == ("512", False)
    pending = {entry["key"]: entry for entry in await client.get("/nodes/px1/qemu/101/pending")}
    assert pending["memory"] == {"key": "memory", "value": "256", "pending": "512"}
    assert pending["net0"]["delete"] == 1
    assert (await client.get("/cluster/resources", type="vm"))[0]["maxmem"] == 256 << 20
    await client.power(101, "reboot")
    assert await client.get(CONFIG) == await client.get(CONFIG, current=1)
    assert (await client.get("/cluster/resources", type="vm"))[0]["maxmem"] == 512 << 20


async def test_pending_changes_can_be_taken_back(client: Any) -> None:
    await client.create(101)
    await client.power(101, "start")
    await put(client, memory=512, delete="net0")
    await put(client, revert="memory,net0")
    assert await client.get(CONFIG) == await client.get(CONFIG, current=1)
    await put(client, memory=512)
    await put(client, memory=256)
    assert all("pending" not in entry for entry in await client.get("/nodes/px1/qemu/101/pending"))


async def test_digest_guards_changes(client: Any) -> None:
    await client.create(101)
    digest = (await client.get(CONFIG))["digest"]
    assert (await put(client, cores=2, digest=digest)).status_code == 200
    again = await put(client, cores=4, digest=digest)
    assert again.reason_phrase == "checksum mismatch (file change by other user?)"
    assert (await client.get(CONFIG))["cores"] == 2
    resize = await client.call("PUT", "/nodes/px1/qemu/101/resize", disk="scsi0", size="+1G", digest=digest)
    assert resize.status_code == 500


async def test_removed_disks_stay_as_unused(client: Any, tmp_path: Path) -> None:
    await client.create(101)
    await put(client, scsi1="local:1")
    await put(client, delete="scsi1")
    config = await client.get(CONFIG)
    assert config["unused0"] == "local:101/vm-101-disk-1.raw"
    await put(client, scsi2="local:101/vm-101-disk-1.raw", scsi0="local:2,format=qcow2")
    config = await client.get(CONFIG)
    assert config["scsi2"] == "local:101/vm-101-disk-1.raw,size=1G"
    assert config["scsi0"] == "local:101/vm-101-disk-2.qcow2,size=2G"
    assert config["unused1"] == "local:101/vm-101-disk-0.qcow2"
    await put(client, delete="unused1")
    assert not (tmp_path / "images/101/vm-101-disk-0.qcow2").exists()
    images = await client.get("/nodes/px1/storage/local/content", content="images", vmid=101)
    assert [(image["volid"], image["size"]) for image in images] == [
        ("local:101/vm-101-disk-1.raw", 1 << 30),
        ("local:101/vm-101-disk-2.qcow2", 2 << 30),
    ]


async def test_delete_leaves_nothing(client: Any, tmp_path: Path) -> None:
    await client.create(101, scsi1="local:1")
    await put(client, delete="scsi1")
    assert await client.act("DELETE", "/nodes/px1/qemu/101", purge=1) == "OK"
    assert list((tmp_path / "images").iterdir()) == []
    assert list((tmp_path / "vms").iterdir()) == []
    assert await client.get("/cluster/nextid") == "100"


async def test_failed_create_leaves_nothing(client: Any, tmp_path: Path) -> None:
    end = await client.create(101, scsi1="local:0,import-from=local:import/nosuch.qcow2")
    assert end == "unable to create VM 101 - volume 'local:import/nosuch.qcow2' does not exist"
    assert (await client.call("GET", CONFIG)).status_code == 500
    assert list((tmp_path / "images").iterdir()) == []


async def test_disk_that_cannot_be_made(
    client: Any, hypervisor: SimulatedHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise HypervisorError("No space left on device")

    monkeypatch.setattr(hypervisor, "create_disk", full)
    assert await client.create(101) == "unable to create VM 101 - No space left on device"
    assert await client.get("/cluster/resources", type="vm") == []


async def test_create_with_start(client: Any) -> None:
    assert await client.create(101, start=1) == "OK"
    assert await client.state(101) == "running"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"scsi0": "nosuch:1"}, "storage 'nosuch' does not exist"),
        ({"archive": "local:backup/x.vma"}, "volume 'local:backup/x.vma' does not exist"),
        ({"ide2": "cdrom"}, "only root can set 'ide2' config"),
        ({"scsi0": "local:../../../etc/passwd"}, "unable to parse directory volume name '../../../etc/passwd'"),
    ],
)
async def test_refused_at_once(client: Any, options: dict[str, str], reason: str) -> None:
    response = await client.call("POST", "/nodes/px1/qemu", vmid=101, **options)
    if response.status_code == 200:
        assert await client.end_of(response.json()["data"]) == f"unable to create VM 101 - {reason}"
    else:
        assert response.reason_phrase == reason


async def test_mac_addresses(client: Any) -> None:
    await client.create(101, net1="virtio=52:54:00:12:34:56,bridge=vmbr0", net2="e1000")
    config = await client.get(CONFIG)
    assert config["net0"].startswith("virtio=BC:24:11:")
    assert config["net1"] == "virtio=52:54:00:12:34:56,bridge=vmbr0"
    assert config["net2"].startswith("e1000=BC:24:11:")


async def test_resize(client: Any) -> None:
    await client.create(101)
    path = "/nodes/px1/qemu/101/resize"
    assert await client.act("PUT", path, disk="scsi0", size="10G") == "OK"
    assert await client.act("PUT", path, disk="scsi0", size="10G") == "OK"
    assert (await client.get(CONFIG))["scsi0"] == "local:101/vm-101-disk-0.qcow2,size=10G"
    assert await client.act("PUT", path, disk="ide2", size="10G") == "you can't resize a cdrom"


async def test_update_in_a_task_hides_the_password(client: Any) -> None:
    await client.create(101)
    response = await client.call("POST", CONFIG, cipassword="very-secret", cores=2)
    upid = response.json()["data"]
    assert await client.end_of(upid) == "OK"
    lines = [line["t"] for line in await client.get(f"/nodes/px1/tasks/{upid}/log")]
    assert lines == ["update VM 101: -cipassword ********** -cores 2", "TASK OK"]


async def test_operations_on_one_vm_take_turns(client: Any) -> None:
    await client.create(101)
    upids = [(await client.call("POST", "/nodes/px1/qemu/101/status/start")).json()["data"] for _ in range(3)]
    ends = [await client.end_of(upid) for upid in upids]
    assert sorted(ends) == ["OK", "VM 101 already running", "VM 101 already running"]


async def test_least_rights_suffice(tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: Any) -> None:
    token = Token("bl@pve", "t", SECRET, {"/": LEAST})
    async with (
        running_node(NodeSettings(data=tmp_path), hypervisor, tokens=[token]) as running,
        make_client(running, token.header) as client,
    ):
        assert (
            await client.create(101, sshkeys="", ciuser="u", hostpci0="mapping=none", smbios1=f"uuid={SECRET}") == "OK"
        )
        assert (await put(client, delete="hostpci0", tags="a")).status_code == 200
        assert await client.power(101, "start") == "OK"
        assert (await client.call("POST", "/nodes/px1/qemu/101/agent/ping")).status_code == 200
        assert await client.power(101, "stop") == "OK"
        assert await client.act("DELETE", "/nodes/px1/qemu/101") == "OK"
        assert (await client.get("/nodes/px1/status"))["uptime"] > 0
        frozen = await client.call("POST", "/nodes/px1/qemu/101/agent/fsfreeze-freeze")
        assert frozen.status_code == 403


@pytest.mark.parametrize(
    ("missing", "options"),
    [
        ("VM.Config.Memory", {"memory": 512}),
        ("VM.Config.CPU", {"cores": 2}),
        ("VM.Config.Options", {"description": "x"}),
        ("VM.Config.HWType", {"hostpci0": "mapping=some"}),
        ("Mapping.Use", {"hostpci0": "mapping=some"}),
        ("VM.Config.Network", {"net1": "virtio"}),
        ("VM.Config.Options", {"delete": "tags"}),
    ],
)
async def test_each_right_is_needed(
    tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: Any, missing: str, options: dict[str, Any]
) -> None:
    token = Token("bl@pve", "t", SECRET, {"/": LEAST - {missing}})
    async with running_node(tmp_path, hypervisor, tokens=[token]) as running, make_client(running) as root:
        await root.create(101)
        async with make_client(running, token.header) as client:
            response = await put(client, **options)
    assert response.status_code == 403
    assert response.json()["message"].endswith(f"{missing})\n")
