"""Cards that come and go while their guest runs, and the networks between guests, with real guests."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from local_guests import Person, cloud_init, disk, guest, nic
from pvelocal.hypervisor import AgentUnavailable, GuestSpec, HypervisorError, Nic
from pvelocal.qemu.hypervisor import QemuHypervisor

pytestmark = pytest.mark.e2e

# Of this process alone: tests may run side by side.
PREFIX = f"127.66.{os.getpid() & 255}"
SECONDS = 90.0


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await condition():
            await asyncio.sleep(0.1)


def lan_card(vmid: int, tag: int) -> Nic:
    """A card on a network inside the machine."""
    return Nic(1, f"BC:24:11:00:01:{vmid - 100:02X}", "vmbr1", f"10.90.0.{vmid}/24", tag=tag)


class Guests:
    """Guests that run side by side."""

    def __init__(self, hypervisor: QemuHypervisor, person: Person, image: Path, folder: Path) -> None:
        self.hypervisor = hypervisor
        self.person = person
        self._image = image
        self._folder = folder

    async def start(self, vmid: int, *more: Nic) -> GuestSpec:
        path = self._folder / f"vm-{vmid}-disk-0.qcow2"
        await self.hypervisor.create_disk(path, 0, self._image)
        spec = guest(
            vmid,
            memory_mb=128,
            disks=(disk(str(path)),),
            nics=(nic(f"{PREFIX}.{vmid}/24"), *more),
            cloud_init=cloud_init(f"guest-{vmid}", "alice", self.person.public_key),
        )
        await self.hypervisor.start(spec)
        return spec

    async def ready(self, spec: GuestSpec) -> None:
        async def answers() -> bool:
            try:
                await self.hypervisor.agent(spec.vmid, "guest-ping")
            except AgentUnavailable:
                return False
            return True

        await until(answers)

    async def run(self, address: str, command: str) -> str:
        return await self.person.login("alice", address, self.hypervisor.ssh_port, command)

    async def reaches(self, spec: GuestSpec, address: str) -> bool:
        """Whether one guest gets an answer from an address."""
        ping = f"sudo ping -c 1 -W 2 {address} >/dev/null && echo yes || echo no"
        return await self.run(f"{PREFIX}.{spec.vmid}", ping) == "yes"


@pytest.fixture
def guests(hypervisor: QemuHypervisor, person: Person, tiny_linux: Path, tmp_path: Path) -> Guests:
    return Guests(hypervisor, person, tiny_linux, tmp_path / "images")


async def test_cards_come_and_go(guests: Guests) -> None:
    hypervisor = guests.hypervisor
    first, second = await guests.start(101, lan_card(101, 7)), await guests.start(102, lan_card(102, 7))
    stranger = await guests.start(103, lan_card(103, 8))
    for spec in (first, second, stranger):
        await guests.ready(spec)

    await neighbours_reach_each_other(guests, first, second, stranger)
    await sender_must_tell_the_truth(guests, first, second)

    wider = replace(first, nics=(*first.nics, nic(f"{PREFIX}.200/24", 2)))
    await hypervisor.plug(wider, 2)
    await hypervisor.plug(wider, 2)
    # The guest sees the card first and what the drive says of it later.
    await hypervisor.write_cloud_init(wider)
    boot = await guests.run(f"{PREFIX}.101", "cat /proc/sys/kernel/random/boot_id")
    assert await guests.run(f"{PREFIX}.200", "cat /proc/sys/kernel/random/boot_id") == boot
    assert await guests.run(f"{PREFIX}.200", "ip -4 addr show eth2 | grep -c 'inet 10.0.4.15/24'") == "1"
    taken = replace(second, nics=(*second.nics, nic(f"{PREFIX}.200/24", 2)))
    with pytest.raises(HypervisorError, match="cannot be had"):
        await hypervisor.plug(taken, 2)

    await hypervisor.unplug(first, 2)
    await hypervisor.unplug(first, 2)
    assert await guests.run(f"{PREFIX}.101", "ls /sys/class/net") == "eth0\neth1\nlo"
    await hypervisor.plug(taken, 2)
    await hypervisor.write_cloud_init(taken)
    guests.person.known_hosts.unlink()
    assert await guests.run(f"{PREFIX}.200", "hostname") == "guest-102"


async def neighbours_reach_each_other(guests: Guests, first: GuestSpec, second: GuestSpec, stranger: GuestSpec) -> None:
    assert await guests.reaches(first, "10.90.0.102")
    assert await guests.reaches(second, "10.90.0.101")
    assert not await guests.reaches(stranger, "10.90.0.101")
    assert not await guests.reaches(first, "10.90.0.103")


async def sender_must_tell_the_truth(guests: Guests, first: GuestSpec, second: GuestSpec) -> None:
    await guests.run(f"{PREFIX}.101", "sudo ip addr add 10.90.0.66/24 dev eth1")
    assert not await guests.reaches(second, "10.90.0.66")
    forged = "sudo ping -c 1 -W 2 -I 10.90.0.66 10.90.0.102 >/dev/null && echo yes || echo no"
    assert await guests.run(f"{PREFIX}.101", forged) == "no"
    assert await guests.reaches(first, "10.90.0.102")


async def test_networks_are_found_again(guests: Guests, tmp_path: Path) -> None:
    first, second = await guests.start(101, lan_card(101, 7)), await guests.start(102, lan_card(102, 7))
    for spec in (first, second):
        await guests.ready(spec)
    await guests.hypervisor.close(keep_guests=True)
    assert not await guests.reaches(first, "10.90.0.102")
    later = QemuHypervisor(tmp_path / "guests")
    await later.open()
    assert await guests.reaches(first, "10.90.0.102")
    await later.close(keep_guests=False)
    assert list((tmp_path / "guests" / "run").glob("*.lan")) == []
