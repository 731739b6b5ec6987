"""Backups of a real guest: what is stored, what comes back, and what a killed node or QEMU means for the next one."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from local_guests import Person, open_firewall
from pvelocal.firewall import Rule
from pvelocal.hypervisor import AgentUnavailable, Disk
from pvelocal.published import SSH
from pvelocal.qemu.copy_jobs import CopyJobs
from pvelocal.qemu.guest_files import GuestDirectory
from pvelocal.qemu.hypervisor import QemuHypervisor
from pvelocal.qemu.monitor import Monitor
from pvelocal.qemu.netns.space import Space
from pvelocal.qemu.process import find_process
from pvelocal.running import running_node

pytestmark = pytest.mark.e2e

NODE = "/nodes/px1"
CONTENT = f"{NODE}/storage/backup/content"
MIB = 1 << 20
# Of this process alone: tests may run side by side.
ADDRESS = f"127.68.{os.getpid() >> 8 & 255}.{os.getpid() & 127 or 1}"
GATEWAY = f"{ADDRESS.rpartition('.')[0]}.254"
OPEN = open_firewall(ADDRESS)
NO_SSH = replace(OPEN, rules=(Rule("in", "REJECT", 1, proto="tcp", dport=str(SSH)),))


@asynccontextmanager
async def node(data: Path, make_client: Any) -> AsyncIterator[Any]:
    """A client of a node with real guests; killed at the end, which its guests outlive."""
    hypervisor = QemuHypervisor(data / "run", "auto")
    async with running_node(data, hypervisor, keep_guests=True) as running, make_client(running) as client:
        try:
            yield client
        finally:
            for vmid in hypervisor.guests():
                await hypervisor.stop(vmid)


async def back_up(client: Any, vmid: int = 101) -> list[str]:
    """The log of a backup that succeeds."""
    upid = (await client.call("POST", f"{NODE}/vzdump", vmid=vmid, storage="backup")).json()["data"]
    status, lines = await client.end_of(upid), client.running.node.tasks.get(upid).lines
    assert status == "OK", lines
    return list(lines)


async def restore(client: Any, vmid: int) -> Path:
    """The disk of a new machine, from the last backup."""
    volid = max(entry["volid"] for entry in await client.get(CONTENT))
    assert await client.act("POST", f"{NODE}/qemu", vmid=vmid, archive=volid, unique=1) == "OK"
    return image(client, vmid)


def image(client: Any, vmid: int) -> Path:
    return Path(client.running.node.settings.data / f"images/{vmid}/vm-{vmid}-disk-0.qcow2")


def same(one: Path, other: Path) -> bool:
    command = ["qemu-img", "compare", "-U", "-f", "qcow2", "-F", "qcow2", str(one), str(other)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def chunks(client: Any) -> set[str]:
    return {path.name for path in client.running.node.settings.data.glob("backups/chunks/*/*")}


async def test_a_guest_s_backups(tmp_path: Path, tiny_linux: Path, person: Person, make_client: Any) -> None:
    async with node(tmp_path, make_client) as client:
        shutil.copyfile(tiny_linux, tmp_path / "import" / "real.qcow2")
        keys = quote(person.public_key, safe="")
        options = {"ipconfig0": f"ip={ADDRESS}/24,gw={GATEWAY}", "ciuser": "alice", "sshkeys": keys, "ciupgrade": 0}
        options |= {"net0": "virtio,bridge=vmbr0,firewall=1"}
        assert await client.create(101, scsi0="local:0,import-from=local:import/real.qcow2", **options) == "OK"
        assert await client.act("PUT", f"{NODE}/qemu/101/resize", disk="scsi0", size="3G") == "OK"
        assert await client.power(101, "start") == "OK"
        await says(client, person, "dd if=/dev/urandom of=data bs=1M count=9 && sync")
        await is_backed_up_while_it_runs(client)
        await says(client, person, "dd if=/dev/urandom of=data bs=1M count=5 conv=notrunc && sync")
        await stores_only_what_changed(client)
        await is_let_go_of_by_a_later_node(client, person)
        await is_backed_up_when_shut_down(client)
        await is_backed_up_whole_after_a_crash(client)
    assert not Space(tmp_path / "run").exists


async def answers(client: Any) -> bool:
    """Whether the guest's agent is there."""
    try:
        await client.running.hypervisor.agent(101, "guest-ping")
    except AgentUnavailable:
        return False
    return True


async def says(client: Any, person: Person, command: str) -> str:
    return await person.login("alice", ADDRESS, client.running.hypervisor.ssh_port, command)


async def is_backed_up_while_it_runs(client: Any) -> None:
    async with asyncio.timeout(60):
        while not await answers(client):
            await asyncio.sleep(0.1)
    log = await back_up(client)
    assert "INFO: issuing guest-agent 'fs-freeze' command" in log
    assert "INFO: issuing guest-agent 'fs-thaw' command" in log
    assert "INFO: scsi0: dirty-bitmap status: created new" in log
    assert await client.running.hypervisor.agent(101, "guest-fsfreeze-status") == "thawed"
    assert not list((client.running.node.settings.data / "run" / "101").glob("snapshot-*"))


async def stores_only_what_changed(client: Any) -> None:
    # What a paused guest has on its disk does not change while it is compared.
    await client.power(101, "suspend")
    before = chunks(client)
    log = await back_up(client)
    assert any(line.startswith("INFO: using fast incremental mode") for line in log), log
    assert 2 <= len(chunks(client) - before) <= 12
    restored = await restore(client, 102)
    assert same(image(client, 101), restored)
    assert restored.stat().st_blocks * 512 < 400 * MIB
    await client.power(101, "resume")


async def is_let_go_of_by_a_later_node(client: Any, person: Person) -> None:
    """A node died in the middle of a backup: the copy went on, and the guest may have stayed frozen."""
    hypervisor, directory = client.running.hypervisor, client.running.node.settings.data / "run"
    files = GuestDirectory(directory).guest(101)
    await hypervisor.agent(101, "guest-fsfreeze-freeze")
    files.frozen.touch()
    other = Monitor(files.second_monitor)
    jobs = CopyJobs(other, files)
    await jobs.begin([await jobs.prepare(Disk("scsi0", image(client, 101)), None)], [])
    later = QemuHypervisor(directory, "auto")
    await hypervisor.close(keep_guests=True)
    await later.open()
    assert not list(files.snapshots())
    assert "backup-scsi0" not in await jobs.disk_nodes()
    async with asyncio.timeout(30):
        while files.frozen.exists():
            await asyncio.sleep(0.05)
    assert await later.agent(101, "guest-fsfreeze-status") == "thawed"
    await follows_rules_of_a_later_node(later, person)
    await later.close(keep_guests=True)
    await other.close()
    await hypervisor.open()
    log = await back_up(client)
    assert any(line.startswith("INFO: using fast incremental mode") for line in log), log


async def follows_rules_of_a_later_node(later: QemuHypervisor, person: Person) -> None:
    """Also in a namespace that the node before it made."""
    await later.apply_firewall(101, OPEN)
    assert await person.login("alice", ADDRESS, later.ssh_port, "hostname") == "vm-101"
    await later.apply_firewall(101, NO_SSH)
    with pytest.raises(ConnectionError):
        await knock(later.ssh_port)


async def knock(port: int) -> None:
    reader, writer = await asyncio.open_connection(ADDRESS, port)
    with closing(writer):
        await reader.read()


async def is_backed_up_when_shut_down(client: Any) -> None:
    await client.power(101, "shutdown")
    assert await client.state(101) == "stopped"
    before = chunks(client)
    await back_up(client)
    assert len(chunks(client) - before) < 12
    assert same(image(client, 101), await restore(client, 103))


async def is_backed_up_whole_after_a_crash(client: Any) -> None:
    """Which does not wait until it has booted."""
    assert await client.power(101, "start") == "OK"
    await back_up(client)
    data = client.running.node.settings.data
    process = find_process(GuestDirectory(data / "run").guest(101).pid_file)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    assert await process.ended(10)
    assert await client.power(101, "start") == "OK"
    log = await back_up(client)
    assert "INFO: scsi0: dirty-bitmap status: created new" in log
    assert any("backup was done incrementally, reused" in line for line in log)


async def test_what_uefi_keeps_is_backed_up(tmp_path: Path, qemu: None, make_client: Any) -> None:
    async with node(tmp_path, make_client) as client:
        options = {"scsi0": "local:1", "bios": "ovmf", "efidisk0": "local:1,efitype=4m", "ide2": "none,media=cdrom"}
        assert await client.create(101, **options) == "OK"
        assert await client.power(101, "start") == "OK"
        await client.power(101, "suspend")
        log = await back_up(client)
        assert "INFO: efidisk0: dirty-bitmap status: created new" in log
        assert "INFO: efidisk0: dirty-bitmap status: OK (drive clean)" in await back_up(client)
        await restore(client, 102)
        kept, restored = [(tmp_path / f"images/{vmid}/vm-{vmid}-disk-0.raw").read_bytes() for vmid in (101, 102)]
        assert any(kept)
        assert kept == restored
