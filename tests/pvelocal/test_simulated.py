"""Simulated guests: as quick and as stubborn as asked, the same for the same seed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pvelocal.hypervisor import AgentUnavailable, Disk, GuestSpec, HypervisorError, Nic
from pvelocal.simulated import Behaviour, SimulatedHypervisor


def spec(vmid: int = 100, **changes: Any) -> GuestSpec:
    nic = Nic(0, "BC:24:11:00:00:01", "vmbr0", "127.64.0.10/24", "127.64.0.1")
    parts: dict[str, Any] = {"cores": 2, "memory_mb": 1024, "nics": (nic,), "agent": True}
    return GuestSpec(vmid=vmid, name=f"vm-{vmid}", uuid="", **(parts | changes))


@pytest.fixture
async def guests(hypervisor: SimulatedHypervisor) -> SimulatedHypervisor:
    await hypervisor.open()
    return hypervisor


async def test_power(guests: SimulatedHypervisor) -> None:
    assert await guests.state(100) == "stopped"
    await guests.start(spec())
    with pytest.raises(HypervisorError, match="already running"):
        await guests.start(spec())
    await guests.pause(100)
    assert await guests.state(100) == "paused"
    await guests.resume(100)
    await guests.resume(100)
    assert await guests.state(100) == "running"
    await guests.shutdown(100, 1)
    assert await guests.state(100) == "stopped"
    await guests.shutdown(100, 1)
    with pytest.raises(HypervisorError, match="not running"):
        await guests.reset(100)


async def test_a_guest_that_ignores_the_power_button(guests: SimulatedHypervisor) -> None:
    guests.special[100] = Behaviour(boot_seconds=0, obeys_power_button=False)
    await guests.start(spec())
    with pytest.raises(HypervisorError, match=r"^got timeout$"):
        await guests.shutdown(100, 0.01)
    assert await guests.state(100) == "running"


async def test_a_shutdown_ends_when_the_plug_is_pulled(guests: SimulatedHypervisor) -> None:
    guests.behaviour.boot_seconds = 3600
    await guests.start(spec())
    waiting = asyncio.create_task(guests.shutdown(100, 60))
    await asyncio.sleep(0)
    await guests.stop(100)
    await asyncio.wait_for(waiting, 5)


async def test_agent_answers_once_booted(guests: SimulatedHypervisor) -> None:
    guests.behaviour.boot_seconds = 3600
    await guests.start(spec())
    with pytest.raises(AgentUnavailable):
        await guests.agent(100, "guest-ping")
    guests.behaviour.boot_seconds = 0
    assert await guests.agent(100, "guest-ping") == {}
    assert await guests.agent(100, "guest-get-host-name") == {"host-name": "vm-100"}
    guests.special[100] = Behaviour(boot_seconds=0, agent_answers=False)
    with pytest.raises(AgentUnavailable):
        await guests.agent(100, "guest-ping")
    await guests.start(spec(101, agent=False))
    with pytest.raises(AgentUnavailable):
        await guests.agent(101, "guest-ping")


async def test_network_interfaces(guests: SimulatedHypervisor) -> None:
    await guests.start(spec())
    interfaces: Any = await guests.agent(100, "guest-network-get-interfaces")
    assert [item["name"] for item in interfaces] == ["lo", "eth0"]
    assert [(item["ip-address"], item["prefix"]) for item in interfaces[1]["ip-addresses"]] == [
        ("127.64.0.10", 24),
        ("fe80::be24:11ff:fe00:1", 64),
    ]


async def test_counters_move_and_never_fall(guests: SimulatedHypervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("pvelocal.simulated.time.time", lambda: now)
    await guests.start(spec())
    first = await guests.counters(100)
    now = 1010.0
    second = await guests.counters(100)
    assert (first.uptime_seconds, second.uptime_seconds) == (0, 10)
    for name in ("net_in", "net_out", "disk_read", "disk_write"):
        assert getattr(second, name) > getattr(first, name)
    assert 0 < second.cpu <= 1
    assert 0 < second.memory_bytes < 1024 << 20
    await guests.pause(100)
    now = 1020.0
    assert (await guests.counters(100)).net_in == second.net_in
    assert (await guests.counters(100)).cpu == 0
    await guests.resume(100)
    assert (await guests.counters(100)).uptime_seconds == 10
    assert (await guests.counters(999)).pid is None


async def test_same_seed_same_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvelocal.simulated.time.time", lambda: 1000.0)
    readings = []
    for number, seed in enumerate((1, 1, 2)):
        guests = SimulatedHypervisor(tmp_path / str(number), seed=seed)
        await guests.open()
        await guests.start(spec())
        readings.append((await guests.counters(100)).memory_bytes)
    assert readings[0] == readings[1] != readings[2]


async def test_found_again(guests: SimulatedHypervisor, tmp_path: Path) -> None:
    await guests.start(spec())
    await guests.start(spec(101))
    await guests.pause(101)
    await guests.close(keep_guests=True)
    again = SimulatedHypervisor(tmp_path / "run")
    await again.open()
    assert [await again.state(vmid) for vmid in (100, 101, 102)] == ["running", "paused", "stopped"]
    await again.close(keep_guests=False)
    assert list((tmp_path / "run").iterdir()) == []


async def test_disks(guests: SimulatedHypervisor, tmp_path: Path) -> None:
    raw, disk = tmp_path / "image.raw", tmp_path / "images" / "disk.qcow2"
    raw.write_bytes(bytes(5000))
    await guests.create_disk(disk, 0, raw)
    assert await guests.disk_size(disk) == 5000
    await guests.resize_disk(100, "scsi0", disk, 1 << 40)
    assert await guests.disk_size(disk) == 1 << 40
    await guests.create_disk(tmp_path / "copy", 0, disk)
    assert await guests.disk_size(tmp_path / "copy") == 1 << 40
    await guests.delete_disk(disk)
    await guests.delete_disk(disk)
    with pytest.raises(HypervisorError, match="No such file"):
        await guests.disk_size(disk)
    with pytest.raises(HypervisorError, match="No such file"):
        await guests.start(spec(disks=(Disk("scsi0", disk),)))
    assert await guests.state(100) == "stopped"
