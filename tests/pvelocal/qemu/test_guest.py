"""The life of a real guest: TINY-LINUX, watched from outside and from inside.

Starting a guest takes seconds, so that each test tells a longer story.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from local_guests import Person, cloud_init, disk, guest, nic, open_firewall, saying_hello
from pvelocal.firewall import Rule
from pvelocal.hypervisor import AgentUnavailable, Counters, GuestSpec, HypervisorError
from pvelocal.qemu.hypervisor import QemuHypervisor

pytestmark = pytest.mark.e2e

GIB = 1 << 30
VMID = 101
# Of this process alone: tests may run side by side.
ADDRESS = f"127.65.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
SECONDS = 90.0
OPEN = open_firewall(ADDRESS)
WEB = 8080


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until something is so."""
    try:
        async with asyncio.timeout(SECONDS):
            while not await condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"never happened: {what}")


@dataclass(frozen=True)
class Machine:
    """A guest with everything that it was started from."""

    hypervisor: QemuHypervisor
    person: Person
    spec: GuestSpec

    async def run(self, command: str) -> str:
        """What a command prints inside."""
        return await self.person.login("alice", ADDRESS, self.hypervisor.ssh_port, command)

    async def ready(self) -> None:
        """Wait for the agent."""

        async def answers() -> bool:
            try:
                await self.hypervisor.agent(VMID, "guest-ping")
            except AgentUnavailable:
                return False
            return True

        await until(answers, "the agent answers")

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
        nics=(replace(nic(f"{ADDRESS}/24"), firewall=True),),
        firewall=OPEN,
        cloud_init=cloud_init("first-name", "alice", person.public_key),
    )
    await hypervisor.start(spec)
    person.known_hosts.unlink(missing_ok=True)
    machine = Machine(hypervisor, person, spec)
    await machine.ready()
    return machine


async def test_a_guest_s_life(machine: Machine, tmp_path: Path) -> None:
    await has_what_was_ordered(machine)
    await talks_through_its_agent(machine)
    await is_reached_where_rules_allow(machine)
    await refuses_a_second_start(machine)
    await grows_while_it_runs(machine)
    await moves_its_counters(machine)
    await pauses_and_goes_on(machine)
    await comes_back_with_another_name(machine)
    await is_found_by_a_later_node(machine, tmp_path)
    await is_forgotten(machine)


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
    assert await machine.run("hostname") == "first-name"
    assert hypervisor.firewall_limitations(OPEN) == []


async def nobody_answers(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(ADDRESS, port)


async def refuses_a_second_start(machine: Machine) -> None:
    with pytest.raises(HypervisorError, match="VM 101 already running"):
        await machine.hypervisor.start(machine.spec)
    other = replace(machine.spec, vmid=102, disks=(), cloud_init=None)
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
    write = "dd if=/dev/urandom of=data bs=1M count=8 2>/dev/null && sync && rm data"
    await machine.run(f"{write}; dd if=/dev/zero bs=64k count=32 2>/dev/null")
    after = await machine.counters(lambda now: now.net_out > before.net_out + (1 << 20), "network moves")
    assert after.net_in > before.net_in
    assert after.disk_write >= before.disk_write + (8 << 20)
    assert after.uptime_seconds >= before.uptime_seconds
    load = asyncio.create_task(machine.run("timeout 20 sh -c 'while :; do :; done' || true"))
    await machine.counters(lambda now: 0.25 < now.cpu <= 1.0, "the processor is busy")
    load.cancel()


async def comes_back_with_another_name(machine: Machine) -> None:
    hypervisor = machine.hypervisor
    await machine.run("echo mine > note")
    host_key = machine.person.known_hosts.read_text()
    await hypervisor.shutdown(VMID, SECONDS)
    assert await hypervisor.state(VMID) == "stopped"
    assert await hypervisor.counters(VMID) == Counters()
    await hypervisor.shutdown(VMID, SECONDS)
    await hypervisor.stop(VMID)

    renamed = replace(machine.spec, cloud_init=cloud_init("second-name", "alice", machine.person.public_key))
    await hypervisor.start(renamed)
    await machine.ready()
    assert await machine.run("hostname; cat note") == "second-name\nmine"
    assert int(await machine.run("df -k / | awk 'NR == 2 { print $2 }'")) > 4_900_000
    assert machine.person.known_hosts.read_text() == host_key


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


async def starts_over_when_reset(hypervisor: QemuHypervisor) -> None:
    await hypervisor.reset(VMID)
    with pytest.raises(HypervisorError, match="VM quit/powerdown failed - got timeout"):
        await hypervisor.shutdown(VMID, 0.2)
    with pytest.raises(AgentUnavailable):
        await hypervisor.agent(VMID, "guest-ping")


async def is_found_by_a_later_node(machine: Machine, tmp_path: Path) -> None:
    pid = (await machine.hypervisor.counters(VMID)).pid
    assert pid is not None
    await machine.hypervisor.close(keep_guests=True)

    later = QemuHypervisor(tmp_path / "guests")
    await later.open()
    assert await later.state(VMID) == "running"
    assert (await later.counters(VMID)).pid == pid
    assert await later.agent(VMID, "guest-ping") == {}
    await starts_over_when_reset(later)
    assert (await later.counters(VMID)).pid == pid

    os.kill(pid, signal.SIGKILL)

    async def stopped() -> bool:
        return await later.state(VMID) == "stopped"

    await until(stopped, "a killed guest is stopped")
    await later.start(machine.spec)
    assert await later.state(VMID) == "running"
    await later.stop(VMID)
    assert await later.state(VMID) == "stopped"
    await later.close(keep_guests=False)


async def is_forgotten(machine: Machine) -> None:
    hypervisor = machine.hypervisor
    await hypervisor.forget(VMID)
    assert hypervisor.guests() == []
    for action in (hypervisor.reset, hypervisor.pause, hypervisor.resume):
        with pytest.raises(HypervisorError, match="VM 101 not running"):
            await action(VMID)
