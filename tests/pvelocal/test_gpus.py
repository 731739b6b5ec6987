"""A GPU belongs to one running guest at a time."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pvelocal.gpus import GpuMapping
from pvelocal.node import NodeSettings
from pvelocal.running import running_node
from pvelocal.simulated import SimulatedHypervisor

SETTINGS = (GpuMapping("A4000", "RTX A4000", 2), GpuMapping("H100", "H100"))


@pytest.fixture
async def machines(tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: Any) -> AsyncIterator[Any]:
    settings = NodeSettings(data=tmp_path, gpus=SETTINGS)
    async with running_node(settings, hypervisor, keep_guests=True) as running, make_client(running) as client:
        yield client


async def test_mappings(machines: Any) -> None:
    mappings = await machines.get("/cluster/mapping/pci")
    assert [(mapping["id"], mapping["description"], len(mapping["map"])) for mapping in mappings] == [
        ("A4000", "RTX A4000", 2),
        ("H100", "H100", 1),
    ]
    entry = "id=10de:24b0,iommugroup=14,node=px1,path=0000:01:00.0,subsystem-id=10de:24b0"
    assert mappings[0]["map"][0] == entry
    assert (await machines.get("/cluster/mapping/pci/H100"))["map"][0].split(",")[3] == "path=0000:03:00.0"
    checked = await machines.get("/cluster/mapping/pci", check_node="px1")
    assert all(mapping["checks"] == [] for mapping in checked)
    missing = await machines.call("GET", "/cluster/mapping/pci/nosuch")
    assert missing.json()["message"] == "PCI mapping 'nosuch' not found\n"
    devices = await machines.get("/nodes/px1/hardware/pci")
    assert [device["id"] for device in devices] == ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"]
    assert {device["class"] for device in devices} == {"0x030000"}


async def test_one_guest_a_device(machines: Any) -> None:
    for vmid in (101, 102):
        assert await machines.create(vmid, hostpci0="mapping=H100,pcie=1") == "OK"
    assert await machines.power(101, "start") == "OK"
    assert await machines.power(102, "start") == "PCI device '0000:03:00.0' already in use by VMID '101'"
    assert await machines.power(101, "stop") == "OK"
    assert await machines.power(102, "start") == "OK"


async def test_any_free_device_of_a_mapping(machines: Any) -> None:
    for vmid in (101, 102, 103):
        assert await machines.create(vmid, hostpci0="mapping=A4000,pcie=1") == "OK"
    assert [await machines.power(vmid, "start") for vmid in (101, 102)] == ["OK", "OK"]
    assert await machines.power(103, "start") == "could not find a free device for 'hostpci0'"


async def test_two_devices_in_one_guest(machines: Any) -> None:
    assert await machines.create(101, hostpci0="mapping=A4000,pcie=1", hostpci1="mapping=A4000,pcie=1") == "OK"
    assert await machines.create(102, hostpci0="mapping=H100", hostpci1="mapping=H100") == "OK"
    assert await machines.power(101, "start") == "OK"
    assert await machines.power(102, "start") == "device '0000:03:00.0' assigned more than once"


async def test_missing_mapping_fails_at_start(machines: Any) -> None:
    assert await machines.create(101, hostpci0="mapping=nosuch,pcie=1") == "OK"
    assert await machines.power(101, "start") == "PCI device mapping not found for 'nosuch'"
    assert await machines.state(101) == "stopped"


async def test_a_failed_start_holds_nothing(machines: Any, tmp_path: Path) -> None:
    for vmid in (101, 102):
        assert await machines.create(vmid, hostpci0="mapping=H100") == "OK"
    (tmp_path / "images/101/vm-101-disk-0.qcow2").unlink()
    assert await machines.power(101, "start") == "volume 'local:101/vm-101-disk-0.qcow2' does not exist"
    assert await machines.power(102, "start") == "OK"


async def test_held_over_a_restart(
    machines: Any, tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: Any
) -> None:
    for vmid in (101, 102):
        assert await machines.create(vmid, hostpci0="mapping=H100") == "OK"
    assert await machines.power(101, "start") == "OK"
    for path in ("vms", "import", "run"):
        (tmp_path / "again" / path).mkdir(parents=True)
        for file in (tmp_path / path).iterdir():
            (tmp_path / "again" / path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "again" / "images").symlink_to(tmp_path / "images")
    settings = NodeSettings(data=tmp_path / "again", gpus=SETTINGS)
    found = SimulatedHypervisor(tmp_path / "again" / "run")
    async with running_node(settings, found) as running, make_client(running) as again:
        assert await again.power(102, "start") == "PCI device '0000:03:00.0' already in use by VMID '101'"
