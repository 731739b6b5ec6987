"""The life of a real guest: TINY-LINUX, watched from outside and from inside.

A guest takes seconds to boot, so that one story tells all, and whoever need not do anything has nothing to boot from.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from local_guests import Person, cloud_init, disk, guest, nic, open_firewall, saying_hello
from pvelocal.firewall import Rule
from pvelocal.hypervisor import AgentUnavailable, Counters, GuestSpec, HypervisorError, Nic
from pvelocal.qemu.guest_files import GuestDirectory
from pvelocal.qemu.hypervisor import QemuHypervisor
from pvelocal.qemu.lan import card_socket

pytestmark = pytest.mark.e2e

GIB = 1 << 30
VMID, NEIGHBOUR = 101, 102
# Of this process alone: tests may run side by side.
ADDRESS, MOVING, ELSEWHERE = (f"127.{net}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}" for net in (65, 66, 67))
SECONDS = 90.0
OPEN = open_firewall(ADDRESS)
WEB = 8080


def lan_card(vmid: int) -> Nic:
    """A card on a network inside the machine."""
    return Nic(1, f"BC:24:11:00:01:{vmid - 100:02X}", "vmbr1", f"10.90.0.{vmid}/24", tag=7)


def with_moving_address(spec: GuestSpec) -> GuestSpec:
    """Another card, with an address that one guest at a time can have."""
    return replace(spec, nics=(*spec.nics, nic(f"{MOVING}/24", 2)))


async def until(condition: Callable[[], Awaitable[bool]], what: str, hypervisor: QemuHypervisor | None = None) -> None:
    """Wait until something is so."""
    try:
        async with asyncio.timeout(SECONDS):
            while not await condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        seen = f"{await hypervisor.counters(VMID)}\n{await hypervisor.console(VMID)}" if hypervisor else ""
        pytest.fail(f"never happened: {what}\n{seen}")


@dataclass(frozen=True)
class Machine:
    """A guest with everything that it was started from."""

    hypervisor: QemuHypervisor
    person: Person
    spec: GuestSpec

    async def run(self, command: str, address: str = ADDRESS) -> str:
        """What a command prints inside."""
        return await self.person.login("alice", address, self.hypervisor.ssh_port, command)

    async def ready(self) -> None:
        """Wait for the agent."""

        async def answers() -> bool:
            try:
                await self.hypervisor.agent(VMID, "guest-ping")
            except AgentUnavailable:
                return False
            return True

        await until(answers, "the agent answers", self.hypervisor)

    async def counters(self, wanted: Callable[[Counters], bool], what: str) -> Counters:
        """Wait until the counters are so."""
        readings: list[Counters] = []

        async def so() -> bool:
            readings.append(await self.hypervisor.counters(VMID))
            return wanted(readings[-1])

        await until(so, what)
        return readings[-1]


@pytest.fixture
async def machine(hypervisor: QemuHypervisor, tiny_linux: Path, person: Person, tmp_path: Path) -> Machine:
    """A guest with two processors, two GPUs and a disk of 3 GiB, started and ready."""
    path = tmp_path / "images" / "vm-101-disk-0.qcow2"
    await hypervisor.create_disk(path, 0, tiny_linux)
    await hypervisor.resize_disk(VMID, "scsi0", path, 3 * GIB)
    spec = guest(
        VMID,
        cores=2,
        gpus=2,
        disks=(disk(str(path)),),
        nics=(replace(nic(f"{ADDRESS}/24"), firewall=True), lan_card(VMID)),
        firewall=OPEN,
        cloud_init=cloud_init("first-name", "alice", person.public_key),
    )
    await hypervisor.start(spec)
    machine = Machine(hypervisor, replace(person, lasting=True), spec)
    await machine.ready()
    return machine


class Neighbour:
    """A guest that never boots; what comes to its card inside the machine, the test hears in its place."""

    def __init__(self, spec: GuestSpec, sockets: Path) -> None:
        self.spec = spec
        path = card_socket(sockets, spec.vmid, 1)
        path.unlink()
        self._card = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._card.bind(str(path))

    def heard(self, wanted: str) -> set[str]:
        """Who has asked for somebody, by address."""
        frames = []
        while True:
            try:
                frames.append(self._card.recv(65536))
            except BlockingIOError:
                asked = [frame for frame in frames if frame[38:42] == IPv4Address(wanted).packed]
                return {str(IPv4Address(frame[28:32])) for frame in asked}

    def close(self) -> None:
        self._card.close()


@pytest.fixture
async def neighbour(hypervisor: QemuHypervisor, tmp_path: Path) -> AsyncIterator[Neighbour]:
    """On a network inside the machine."""
    spec = guest(NEIGHBOUR, memory_mb=64, nics=(nic(f"{ELSEWHERE}/24"), lan_card(NEIGHBOUR)))
    await hypervisor.start(spec)
    neighbour = Neighbour(spec, GuestDirectory(tmp_path / "guests").guest(NEIGHBOUR).sockets)
    yield neighbour
    neighbour.close()


async def test_a_guest_s_life(machine: Machine, neighbour: Neighbour, tmp_path: Path) -> None:
    await has_what_was_ordered(machine)
    await talks_through_its_agent(machine)
    await is_reached_where_rules_allow(machine)
    await refuses_a_second_start(machine)
    await grows_while_it_runs(machine)
    await moves_its_counters(machine)
    await gets_a_card_and_loses_it(machine, neighbour)
    await must_tell_the_truth_inside(machine, neighbour)
    await pauses_and_goes_on(machine)
    later = await is_found_by_a_later_node(machine, neighbour, tmp_path)
    await starts_over_when_reset(later)
    await is_started_again_when_killed(later, machine.spec)
    await is_forgotten(later)
    await later.stop(NEIGHBOUR)
    await later.close(keep_guests=False)
    assert list((tmp_path / "guests" / "run").glob("*.lan")) == []


async def has_what_was_ordered(machine: Machine) -> None:
    assert await machine.run("id -un; hostname; nproc; sudo id -u") == "alice\nfirst-name\n2\n0"
    assert await machine.run("lspci | grep -c 'Display controller'") == "2"
    assert 200_000 < int(await machine.run("free | awk '/Mem/ { print $2 }'")) < 256 * 1024
    assert int(await machine.run("df -k / | awk 'NR == 2 { print $2 }'")) > 2_900_000
    assert await machine.run("sudo cat /sys/class/dmi/id/product_uuid") == machine.spec.uuid
    assert "TINY-LINUX" in await machine.run("cat /etc/os-release")


async def talks_through_its_agent(machine: Machine) -> None:
    hypervisor = machine.hypervisor
    assert await hypervisor.agent(VMID, "guest-get-host-name") == {"host-name": "first-name"}
    assert "tiny-linux" in str(await hypervisor.agent(VMID, "guest-get-osinfo"))
    assert machine.spec.nics[0].mac.lower() in str(await hypervisor.agent(VMID, "guest-network-get-interfaces"))
    assert await hypervisor.agent(VMID, "guest-fsfreeze-freeze") == 1
    assert await hypervisor.agent(VMID, "guest-fsfreeze-thaw") == 1
    with pytest.raises(HypervisorError, match="Agent error"):
        await hypervisor.agent(VMID, "guest-no-such-command")


async def is_reached_where_rules_allow(machine: Machine) -> None:
    """Without a namespace: port by port."""
    hypervisor = machine.hypervisor
    await machine.run(saying_hello(WEB))
    await nobody_answers(WEB)
    web = Rule("in", "ACCEPT", 1, proto="tcp", dport=str(WEB))
    walled = replace(OPEN, rules=(web,), options={**OPEN.options, "policy_in": "DROP"})
    await hypervisor.apply_firewall(VMID, walled)
    reader, writer = await asyncio.open_connection(ADDRESS, WEB)
    assert await reader.read() == b"hello\n"
    writer.close()
    await nobody_answers(hypervisor.ssh_port)
    await hypervisor.apply_firewall(VMID, None)
    reader, writer = await asyncio.open_connection(ADDRESS, hypervisor.ssh_port)
    assert (await reader.readline()).startswith(b"SSH-2.0")
    writer.close()
    assert hypervisor.firewall_limitations(OPEN) == []


async def nobody_answers(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(ADDRESS, port)


async def refuses_a_second_start(machine: Machine) -> None:
    with pytest.raises(HypervisorError, match="VM 101 already running"):
        await machine.hypervisor.start(machine.spec)
    other = replace(machine.spec, vmid=103, disks=(), cloud_init=None)
    with pytest.raises(HypervisorError, match=f"of address {ADDRESS} cannot be had"):
        await machine.hypervisor.start(other)
    with pytest.raises(HypervisorError, match="is running"):
        await machine.hypervisor.forget(VMID)


async def grows_while_it_runs(machine: Machine) -> None:
    (drive,) = machine.spec.disks
    await machine.hypervisor.resize_disk(VMID, "scsi0", drive.path, 5 * GIB)
    assert await machine.run("cat /sys/class/block/vda/size") == str(5 * GIB // 512)
    assert await machine.hypervisor.disk_size(drive.path) == 5 * GIB
    with pytest.raises(HypervisorError, match="shrinking"):
        await machine.hypervisor.resize_disk(VMID, "scsi0", drive.path, 4 * GIB)
    with pytest.raises(HypervisorError, match="lock"):
        await machine.hypervisor.create_disk(drive.path, GIB, None)


async def moves_its_counters(machine: Machine) -> None:
    before = await machine.counters(lambda now: 0 < now.memory_bytes < 200 << 20, "memory is known")
    assert before.pid is not None
    write = "dd if=/dev/urandom of=data bs=1M count=2 2>/dev/null && sync && rm data"
    await machine.run(f"{write}; dd if=/dev/zero bs=64k count=8 2>/dev/null")
    after = await machine.counters(lambda now: now.net_out > before.net_out + (512 << 10), "network moves")
    assert after.net_in > before.net_in
    assert after.disk_write >= before.disk_write + (2 << 20)
    assert after.uptime_seconds >= before.uptime_seconds
    await machine.run("timeout 60 sh -c 'while :; do :; done' >/dev/null 2>&1 </dev/null & echo $! >load")
    await machine.counters(lambda now: 0.25 < now.cpu <= 1.0, "the processor is busy")
    await machine.run("kill $(cat load)")


async def gets_a_card_and_loses_it(machine: Machine, neighbour: Neighbour) -> None:
    hypervisor, wider = machine.hypervisor, with_moving_address(machine.spec)
    await hypervisor.plug(wider, 2)
    await hypervisor.plug(wider, 2)
    # The guest sees the card first, and what the drive says of it later.
    await hypervisor.write_cloud_init(wider)
    ask = "cat /proc/sys/kernel/random/boot_id; ip -4 addr show eth2 | grep -c 'inet 10.0.4.15/24'"
    assert await machine.run(ask, MOVING) == await machine.run(ask)
    with pytest.raises(HypervisorError, match="cannot be had"):
        await hypervisor.plug(with_moving_address(neighbour.spec), 2)
    await hypervisor.unplug(wider, 2)
    await hypervisor.unplug(wider, 2)
    assert await machine.run("ls /sys/class/net") == "eth0\neth1\nlo"
    await hypervisor.plug(with_moving_address(neighbour.spec), 2)


async def must_tell_the_truth_inside(machine: Machine, neighbour: Neighbour) -> None:
    assert await asking_for("10.90.0.11", machine, neighbour) == {f"10.90.0.{VMID}"}
    await machine.run("sudo ip addr add 10.90.0.66/24 dev eth1")
    assert await asking_for("10.90.0.12", machine, neighbour, "-I 10.90.0.66") == set()


async def asking_for(wanted: str, machine: Machine, neighbour: Neighbour, sender: str = "") -> set[str]:
    """As whom the neighbour hears the guest ask for somebody, who is another each time: it goes on for a while."""
    await machine.run(f"sudo ping -c 1 -W 1 {sender} {wanted} >/dev/null || true")
    return neighbour.heard(wanted)


async def pauses_and_goes_on(machine: Machine) -> None:
    hypervisor = machine.hypervisor
    await hypervisor.pause(VMID)
    assert await hypervisor.state(VMID) == "paused"
    with pytest.raises(HypervisorError, match="VM is paused - cannot shutdown"):
        await hypervisor.shutdown(VMID, 1)
    with pytest.raises(AgentUnavailable):
        await hypervisor.agent(VMID, "guest-ping")
    await hypervisor.resume(VMID)
    assert await hypervisor.state(VMID) == "running"
    await machine.ready()


async def is_found_by_a_later_node(machine: Machine, neighbour: Neighbour, tmp_path: Path) -> QemuHypervisor:
    pid = (await machine.hypervisor.counters(VMID)).pid
    assert pid is not None
    await machine.hypervisor.close(keep_guests=True)
    assert await asking_for("10.90.0.13", machine, neighbour) == set()

    later = QemuHypervisor(tmp_path / "guests")
    await later.open()
    assert await later.state(VMID) == "running"
    assert (await later.counters(VMID)).pid == pid
    assert await later.agent(VMID, "guest-ping") == {}
    assert await asking_for("10.90.0.14", machine, neighbour) == {f"10.90.0.{VMID}"}
    return later


async def starts_over_when_reset(later: QemuHypervisor) -> None:
    pid = (await later.counters(VMID)).pid
    await later.reset(VMID)
    with pytest.raises(HypervisorError, match="VM quit/powerdown failed - got timeout"):
        await later.shutdown(VMID, 0.2)
    with pytest.raises(AgentUnavailable):
        await later.agent(VMID, "guest-ping")
    assert (await later.counters(VMID)).pid == pid


async def is_started_again_when_killed(later: QemuHypervisor, spec: GuestSpec) -> None:
    """And stopped before it has booted."""
    pid = (await later.counters(VMID)).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    async def stopped() -> bool:
        return await later.state(VMID) == "stopped"

    await until(stopped, "a killed guest is stopped")
    assert await later.counters(VMID) == Counters()
    await later.start(spec)
    assert await later.state(VMID) == "running"
    await later.stop(VMID)
    assert await later.state(VMID) == "stopped"
    await later.shutdown(VMID, SECONDS)
    await later.stop(VMID)


async def is_forgotten(later: QemuHypervisor) -> None:
    await later.forget(VMID)
    assert later.guests() == [NEIGHBOUR]
    for action in (later.reset, later.pause, later.resume):
        with pytest.raises(HypervisorError, match="VM 101 not running"):
            await action(VMID)
