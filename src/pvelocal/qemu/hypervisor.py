"""Guests in QEMU, one process each. The node is not their parent: it may end and find them again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import cast

from pvelocal.firewall import Firewall
from pvelocal.hypervisor import (
    AgentUnavailable,
    Counters,
    DiskSnapshot,
    GuestSpec,
    HypervisorError,
    Nic,
    PowerState,
    SnapshotRequest,
)
from pvelocal.qemu import accelerator, disks
from pvelocal.qemu.cards import plug_card, unplug_card
from pvelocal.qemu.command import AGENT_DEVICE, SERIAL_DEVICE, Accelerator, Machine, command_line, disk_node
from pvelocal.qemu.freezes import Freezes
from pvelocal.qemu.guest_agent import GuestAgent
from pvelocal.qemu.guest_files import GuestDirectory, GuestFiles, GuestRecord
from pvelocal.qemu.lan import Lans
from pvelocal.qemu.meter import BALLOON_PATH, Meter
from pvelocal.qemu.monitor import Monitor
from pvelocal.qemu.preparation import FIRMWARE, check, prepare, renew_seed
from pvelocal.qemu.process import Process, find_process
from pvelocal.qemu.programs import ProgramMissing, require
from pvelocal.qemu.snapshots import clear_leftovers, live_snapshot, stopped_snapshot
from pvelocal.qemu.subprocesses import run
from pvelocal.qemu.wirings import Wish, open_wiring

PROGRAMS = ("qemu-system-x86_64", "qemu-img")
"""What must be installed."""

_START_SECONDS = 60.0
_QUIT_SECONDS = 10.0
_KILL_SECONDS = 10.0
_AGENT_SECONDS = 3.0
# Freezing waits for what the guest has still to write.
_FREEZE_SECONDS = 60.0
# A guest that is still booting may miss the power button.
_POWER_BUTTON_EVERY_SECONDS = 10.0
_GOODBYE_SECONDS = 10.0
_DISPLAY_PASSWORD_SECONDS = 30
_BALLOON_POLL_SECONDS = 2


class QemuHypervisor:
    """Implements `pvelocal.hypervisor.Hypervisor`; keeps its files below `directory`.

    A guest's given loopback address leads to its SSH server on port `ssh_port`. `network` is what connects guests:
    QEMU's user mode (`slirp`), a namespace in which the firewall really filters, or the better one that can be had.
    """

    def __init__(self, directory: Path, network: Wish = "slirp") -> None:
        self._directory = directory
        self._network = network
        self._firewalls: dict[int, Firewall | None] = {}
        self._guests = GuestDirectory(directory)
        self._machine: Machine | None = None
        self._monitors: dict[int, Monitor] = {}
        self._meters: dict[int, Meter] = {}
        self._lans = Lans()
        self._has_lans = False
        self._power_locks: dict[int, asyncio.Lock] = {}
        self._agents: dict[int, GuestAgent] = {}
        self._freezes = Freezes(self.agent, lambda vmid: self._process(vmid) is not None)

    @property
    def ssh_port(self) -> int:
        """The port of a guest's address that leads to its SSH server."""
        return self._opened.ssh_port

    @property
    def has_lans(self) -> bool:
        """Whether cards with a VLAN tag can be connected: QEMU before 7.2 cannot."""
        return self._has_lans

    @property
    def accelerator(self) -> Accelerator:
        """What guests run on."""
        return self._opened.accelerator

    async def open(self) -> None:
        """Find the guests that an earlier node left running.

        HypervisorError, with the command that helps, when QEMU is not installed.
        """
        try:
            qemu, _ = require(*PROGRAMS)
        except ProgramMissing as error:
            raise HypervisorError(str(error)) from error
        self._guests.open()
        firmware = FIRMWARE if FIRMWARE.exists() else None
        running = [files for files in self._guests.guests() if find_process(files.pid_file)]
        records = {files.vmid: record for files in running if (record := GuestRecord.read(files))}
        wiring = await open_wiring(
            self._network, self._directory, {vmid: record.nics for vmid, record in records.items()}
        )
        self._machine = Machine(qemu, await accelerator.detect(qemu), wiring, firmware)
        self._has_lans = "dgram" in (await run(qemu, "-netdev", "help")).split()
        for files in self._guests.guests():
            await clear_leftovers(self._monitor(files.vmid) if files in running else None, files)
        for files in running:
            await self._attend(files.vmid)
            if files.frozen.exists():
                self._freezes.thaw(files)
            if record := records.get(files.vmid):
                self._join_lans(files, record.nics)

    async def close(self, *, keep_guests: bool) -> None:
        """Let go of the guests, or end them: by their power button, then by force."""
        await self._freezes.close()
        if not keep_guests:
            await asyncio.gather(*(self._end(files.vmid) for files in self._guests.guests()))
        for agent in self._agents.values():
            await agent.close()
        for monitor in self._monitors.values():
            await monitor.close()
        self._lans.close()
        await self._opened.wiring.close(keep=any(find_process(files.pid_file) for files in self._guests.guests()))
        self._monitors.clear()
        self._agents.clear()
        self._meters.clear()

    async def create_disk(self, path: Path, size_bytes: int, image: Path | None) -> None:
        """Make a disk; `.qcow2` files stand on the image, `.raw` files are copies."""
        await disks.create(path, size_bytes, image)

    async def resize_disk(self, vmid: int, slot: str, path: Path, size_bytes: int) -> None:
        """Grow a disk, of a running guest too; HypervisorError for shrinking."""
        if not disks.check_growth(path, size_bytes):
            return
        if self._process(vmid) is None:
            await disks.grow(path, size_bytes)
        else:
            await self._monitor(vmid).execute("block_resize", node_name=disk_node(slot), size=size_bytes)

    async def disk_size(self, path: Path) -> int:
        """Virtual size in bytes."""
        return disks.size(path)

    async def delete_disk(self, path: Path) -> None:
        """Remove a disk; nothing happens when it is gone already."""
        disks.delete(path)

    def snapshot(
        self, request: SnapshotRequest, log: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Sequence[DiskSnapshot]]:
        """The disks of a guest as they all are at one moment; see `pvelocal.qemu.snapshots`."""
        files = self._guests.guest(request.vmid)
        if self._process(request.vmid) is None:
            return stopped_snapshot(request.disks, files)
        frozen = self._freezes.frozen(files, log) if request.freeze else nullcontext()
        return live_snapshot(self._monitor(request.vmid), files, request, frozen)

    async def import_disk(self, path: Path, content: Path) -> None:
        """Make a disk with the content of a raw file, which is used up."""
        await disks.import_raw(path, content)

    async def start(self, spec: GuestSpec) -> None:
        """Start a guest that is stopped. Its cloud-init drive is made anew."""
        async with self._power_locks.setdefault(spec.vmid, asyncio.Lock()):
            if self._process(spec.vmid) is not None:
                raise HypervisorError(f"VM {spec.vmid} already running")
            files = self._guests.guest(spec.vmid)
            wiring = self._opened.wiring
            # The guest may have ended by itself, which nobody noticed.
            await self._let_go(spec.vmid)
            check(spec, self._opened)
            await prepare(spec, files, wiring)
            await wiring.connect(spec.vmid, spec.nics, spec.firewall)
            try:
                command = command_line(spec, files, self._opened)
                await run(*wiring.prefix, *command, timeout_seconds=_START_SECONDS)
            except HypervisorError:
                await wiring.disconnect(spec.vmid, spec.nics)
                raise
            self._join_lans(files, spec.nics)
            await self.apply_firewall(spec.vmid, spec.firewall)
            await self._attend(spec.vmid)

    async def stop(self, vmid: int) -> None:
        """Pull the plug; a stopped guest stays stopped."""
        process = self._process(vmid)
        if process is None:
            return
        try:
            await self._monitor(vmid).execute("quit")
        except HypervisorError:
            # It may be ending already, or be stuck: the signal below settles it.
            ended = await process.ended(0)
        else:
            ended = await process.ended(_QUIT_SECONDS)
        if not ended:
            process.kill()
            if not await process.ended(_KILL_SECONDS):
                raise HypervisorError(f"VM {vmid} does not end - got timeout")
        await self._let_go(vmid)

    async def shutdown(self, vmid: int, timeout_seconds: float) -> None:
        """Press the power button and wait; HypervisorError `got timeout` when the guest does not follow."""
        process = self._process(vmid)
        if process is None:
            return
        if await self.state(vmid) == "paused":
            raise HypervisorError("VM is paused - cannot shutdown")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while (remaining := deadline - loop.time()) > 0:
            await self._press_power_button(vmid, process)
            if await process.ended(min(remaining, _POWER_BUTTON_EVERY_SECONDS)):
                await self._let_go(vmid)
                return
        raise HypervisorError("VM quit/powerdown failed - got timeout")

    async def reset(self, vmid: int) -> None:
        """Press the reset button; HypervisorError for a stopped guest."""
        await self._running_monitor(vmid).execute("system_reset")

    async def plug(self, spec: GuestSpec, index: int) -> None:
        """Put a card into a running guest; nothing happens when it is there already."""
        files = self._guests.guest(spec.vmid)
        (nic,) = (nic for nic in spec.nics if nic.index == index)
        async with self._power_locks.setdefault(spec.vmid, asyncio.Lock()):
            firewall = self._firewalls.get(spec.vmid)
            await self._opened.wiring.connect(spec.vmid, (nic,), firewall)
            await plug_card(self._running_monitor(spec.vmid), nic, files, self._opened)
            self._cards_changed(spec, files)
            self._join_lans(files, (nic,))
            await self.apply_firewall(spec.vmid, firewall)

    async def unplug(self, spec: GuestSpec, index: int) -> None:
        """Take a card out of a running guest; HypervisorError when the guest does not let go of it."""
        files = self._guests.guest(spec.vmid)
        async with self._power_locks.setdefault(spec.vmid, asyncio.Lock()):
            await unplug_card(self._running_monitor(spec.vmid), index)
            record = GuestRecord.read(files)
            gone = [nic for nic in record.nics if nic.index == index] if record else []
            await self._opened.wiring.disconnect(spec.vmid, gone)
            self._cards_changed(spec, files)
            self._lans.leave(files.sockets, spec.vmid, index)

    async def write_cloud_init(self, spec: GuestSpec) -> None:
        """Make the cloud-init drive of a running guest anew, in its place."""
        await renew_seed(spec, self._guests.guest(spec.vmid), self._opened.wiring)

    async def pause(self, vmid: int) -> None:
        """Stop the guest's processors; HypervisorError for a stopped guest."""
        await self._running_monitor(vmid).execute("stop")

    async def resume(self, vmid: int) -> None:
        """Let them go on; HypervisorError for a stopped guest."""
        await self._running_monitor(vmid).execute("cont")

    async def apply_firewall(self, vmid: int, firewall: Firewall | None) -> None:
        """Let a firewall act on a running guest's cards; a stopped guest gets it with its start."""
        record = GuestRecord.read(self._guests.guest(vmid))
        if self._process(vmid) is not None and record is not None:
            self._firewalls[vmid] = firewall
            await self._opened.wiring.apply(vmid, record.nics, firewall, self._monitor(vmid))

    def firewall_limitations(self, firewall: Firewall) -> Sequence[str]:
        """What of a firewall the guests' network does not keep."""
        return self._opened.wiring.limitations(firewall)

    async def state(self, vmid: int) -> PowerState:
        """Power state; an unknown guest is stopped."""
        process = self._process(vmid)
        if process is None:
            return "stopped"
        try:
            answer = await self._monitor(vmid).execute("query-status")
        except HypervisorError:
            # A QEMU that is busy or just ending.
            return "running" if process.alive else "stopped"
        return "running" if cast("dict[str, object]", answer)["running"] else "paused"

    async def counters(self, vmid: int) -> Counters:
        """Readings; all zero for a stopped guest."""
        process = self._process(vmid)
        record = GuestRecord.read(self._guests.guest(vmid))
        if process is None or record is None:
            self._meters.pop(vmid, None)
            return Counters()
        meter = self._meters.get(vmid)
        if meter is None or meter.process != process:
            meter = Meter(process, record, self._monitor(vmid), self._ask(vmid))
            self._meters[vmid] = meter
        return await meter.read()

    async def agent(self, vmid: int, command: str) -> object:
        """The guest agent's answer to `guest-…`; AgentUnavailable when there is none."""
        self._running_monitor(vmid)
        record = GuestRecord.read(self._guests.guest(vmid))
        if record is None or not record.agent:
            raise AgentUnavailable("No QEMU guest agent configured")
        if not await self._agent_listens(vmid):
            raise AgentUnavailable("QEMU guest agent is not running")
        seconds = _FREEZE_SECONDS if command == "guest-fsfreeze-freeze" else _AGENT_SECONDS
        return await self._agent(vmid).ask(command, seconds)

    async def open_display(self, vmid: int, password: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the guest's screen, with a password of its own; HypervisorError for a stopped guest."""
        monitor = self._running_monitor(vmid)
        await monitor.execute("set_password", protocol="vnc", password=password)
        await monitor.execute("expire_password", protocol="vnc", time=f"+{_DISPLAY_PASSWORD_SECONDS}")
        try:
            return await asyncio.open_unix_connection(str(self._guests.guest(vmid).display))
        except OSError as error:
            raise HypervisorError("QEMU's display cannot be reached") from error

    async def forget(self, vmid: int) -> None:
        """Remove everything kept about a stopped guest except its disks; HypervisorError while it runs."""
        if self._process(vmid) is not None:
            raise HypervisorError(f"VM {vmid} is running")
        await self._let_go(vmid)
        self._power_locks.pop(vmid, None)
        self._guests.guest(vmid).remove()

    def guests(self) -> list[int]:
        """The VMIDs of all guests that were started and not forgotten, in no order."""
        return [files.vmid for files in self._guests.guests()]

    async def console(self, vmid: int) -> str:
        """What the guest wrote to its serial console since the last call, at most 64 KiB."""
        monitor = self._running_monitor(vmid)
        return str(await monitor.execute("ringbuf-read", device=SERIAL_DEVICE, size=65536))

    @property
    def _opened(self) -> Machine:
        if self._machine is None:
            raise RuntimeError("the hypervisor was not opened")
        return self._machine

    def _process(self, vmid: int) -> Process | None:
        return find_process(self._guests.guest(vmid).pid_file)

    def _monitor(self, vmid: int) -> Monitor:
        if vmid not in self._monitors:
            self._monitors[vmid] = Monitor(self._guests.guest(vmid).monitor)
        return self._monitors[vmid]

    def _running_monitor(self, vmid: int) -> Monitor:
        if self._process(vmid) is None:
            raise HypervisorError(f"VM {vmid} not running")
        return self._monitor(vmid)

    def _cards_changed(self, spec: GuestSpec, files: GuestFiles) -> None:
        GuestRecord.of(spec).write(files)
        self._meters.pop(spec.vmid, None)

    def _join_lans(self, files: GuestFiles, nics: Iterable[Nic]) -> None:
        for nic in nics:
            self._lans.join(files.sockets, files.vmid, nic)

    async def _attend(self, vmid: int) -> None:
        """Know its memory, and be there for its agent."""
        await self._monitor(vmid).execute(
            "qom-set", path=BALLOON_PATH, property="guest-stats-polling-interval", value=_BALLOON_POLL_SECONDS
        )
        await self._agent(vmid).connect()

    async def _press_power_button(self, vmid: int, process: Process) -> None:
        try:
            await self._monitor(vmid).execute("system_powerdown")
        except HypervisorError:
            if process.alive:
                raise

    def _agent(self, vmid: int) -> GuestAgent:
        return self._agents.setdefault(vmid, GuestAgent(self._guests.guest(vmid).agent))

    async def _agent_listens(self, vmid: int) -> bool:
        """Whether something inside has opened the agent's channel: saves waiting for an answer that cannot come."""
        answer = await self._monitor(vmid).execute("query-chardev")
        devices = {device["label"]: device for device in cast("list[dict[str, object]]", answer)}
        return bool(devices.get(AGENT_DEVICE, {}).get("frontend-open"))

    def _ask(self, vmid: int) -> Callable[[str], Awaitable[object]]:
        async def ask(command: str) -> object:
            return await self.agent(vmid, command)

        return ask

    async def _end(self, vmid: int) -> None:
        try:
            await self.shutdown(vmid, _GOODBYE_SECONDS)
        except HypervisorError:
            await self.stop(vmid)

    async def _let_go(self, vmid: int) -> None:
        self._meters.pop(vmid, None)
        files = self._guests.guest(vmid)
        record = GuestRecord.read(files)
        for nic in record.nics if record else ():
            self._lans.leave(files.sockets, vmid, nic.index)
        self._firewalls.pop(vmid, None)
        await self._opened.wiring.disconnect(vmid, record.nics if record else ())
        for connection in (self._monitors.pop(vmid, None), self._agents.pop(vmid, None)):
            if connection is not None:
                await connection.close()
