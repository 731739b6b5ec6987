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
MOVING_NUMBER = 200
MOVING = nic(f"{PREFIX}.{MOVING_NUMBER}/24", 2)
SECONDS = 90.0


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await condition():
            await asyncio.sleep(0.1)


def lan_card(vmid: int) -> Nic:
    """A card on a network inside the machine."""
    return Nic(1, f"BC:24:11:00:01:{vmid - 100:02X}", "vmbr1", f"10.90.0.{vmid}/24", tag=7)


class Guests:
    """Guests that run side by side."""

    def __init__(self, hypervisor: QemuHypervisor, person: Person, image: Path, folder: Path) -> None:
        self.hypervisor = hypervisor
        self.person = person
        self.port = hypervisor.ssh_port
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

    async def run(self, number: int, command: str) -> str:
        """What a command prints in the guest that has the address with this number."""
        return await self.person.login("alice", f"{PREFIX}.{number}", self.port, command)

    async def reaches(self, spec: GuestSpec, address: str) -> bool:
        """Whether one guest gets an answer from an address."""
        ping = f"sudo ping -c 1 -W 2 {address} >/dev/null && echo yes || echo no"
        return await self.run(spec.vmid, ping) == "yes"


@pytest.fixture
def guests(hypervisor: QemuHypervisor, person: Person, tiny_linux: Path, tmp_path: Path) -> Guests:
    return Guests(hypervisor, person, tiny_linux, tmp_path / "images")


async def test_cards_come_and_go(guests: Guests, tmp_path: Path) -> None:
    first, second = await guests.start(101, lan_card(101)), await guests.start(102, lan_card(102))
    for spec in (first, second):
        await guests.ready(spec)
    await a_card_is_used_at_once(guests, first)
    await an_address_in_use_stays_where_it_is(guests, second)
    await a_card_that_is_gone_leaves_nothing(guests, first, second)
    await a_sender_must_tell_the_truth(guests, first, second)
    await networks_are_found_again(guests, first, tmp_path)


async def a_card_is_used_at_once(guests: Guests, first: GuestSpec) -> None:
    wider = replace(first, nics=(*first.nics, MOVING))
    await guests.hypervisor.plug(wider, 2)
    await guests.hypervisor.plug(wider, 2)
    # The guest sees the card first, and what the drive says of it later.
    await guests.hypervisor.write_cloud_init(wider)
    boot = await guests.run(first.vmid, "cat /proc/sys/kernel/random/boot_id")
    assert await guests.run(MOVING_NUMBER, "cat /proc/sys/kernel/random/boot_id") == boot
    assert await guests.run(MOVING_NUMBER, "ip -4 addr show eth2 | grep -c 'inet 10.0.4.15/24'") == "1"


async def an_address_in_use_stays_where_it_is(guests: Guests, second: GuestSpec) -> None:
    with pytest.raises(HypervisorError, match="cannot be had"):
        await guests.hypervisor.plug(replace(second, nics=(*second.nics, MOVING)), 2)


async def a_card_that_is_gone_leaves_nothing(guests: Guests, first: GuestSpec, second: GuestSpec) -> None:
    await guests.hypervisor.unplug(first, 2)
    await guests.hypervisor.unplug(first, 2)
    assert await guests.run(first.vmid, "ls /sys/class/net") == "eth0\neth1\nlo"
    wider = replace(second, nics=(*second.nics, MOVING))
    await guests.hypervisor.plug(wider, 2)
    await guests.hypervisor.write_cloud_init(wider)
    guests.person.known_hosts.unlink()
    assert await guests.run(MOVING_NUMBER, "hostname") == "guest-102"


async def a_sender_must_tell_the_truth(guests: Guests, first: GuestSpec, second: GuestSpec) -> None:
    assert await guests.reaches(first, "10.90.0.102")
    await guests.run(first.vmid, "sudo ip addr add 10.90.0.66/24 dev eth1")
    assert not await guests.reaches(second, "10.90.0.66")
    assert not await guests.reaches(first, "-I 10.90.0.66 10.90.0.102")


async def networks_are_found_again(guests: Guests, first: GuestSpec, tmp_path: Path) -> None:
    await guests.hypervisor.close(keep_guests=True)
    assert not await guests.reaches(first, "10.90.0.102")
    later = QemuHypervisor(tmp_path / "guests")
    await later.open()
    assert await guests.reaches(first, "10.90.0.102")
    await later.close(keep_guests=False)
    assert list((tmp_path / "guests" / "run").glob("*.lan")) == []
