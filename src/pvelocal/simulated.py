"""Guests without processes: seeded, as quick as wanted, and found again by a node that restarts.

What a guest is doing follows from when it was started and from what it was started with; nothing runs in between.
"""

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pvelocal.files import read_json, remove_torn, write_atomically
from pvelocal.firewall import Firewall
from pvelocal.freezing import Agent, Thaws, frozen
from pvelocal.hypervisor import (
    AgentUnavailable,
    Counters,
    DiskSnapshot,
    GuestSpec,
    HypervisorError,
    PowerState,
    SnapshotRequest,
)
from pvelocal.simulated_agent import Inside, answer, balloon
from pvelocal.simulated_disks import fill_disk, remove_disk, resize_disk, virtual_size, write_content, write_disk
from pvelocal.simulated_screen import Screen, show
from pvelocal.simulated_snapshots import Bitmaps

_POLL = 0.02
_FREEZING: Mapping[str, Callable[[set[int], int], None]] = {
    "guest-fsfreeze-freeze": set.add,
    "guest-fsfreeze-thaw": set.discard,
}


@dataclass
class Behaviour:
    """How guests behave; may be changed at any time. Times are in seconds."""

    boot_seconds: float = 0.05
    shutdown_seconds: float = 0.02
    start_seconds: float = 0.0
    disk_seconds: float = 0.0
    obeys_power_button: bool = True
    agent_answers: bool = True
    lets_go_of_cards: bool = True


@dataclass
class _Guest:
    vmid: int
    name: str
    cores: int
    memory_mb: int
    agent: bool
    macs: list[str]
    addresses: list[str | None]
    state: PowerState = "running"
    started: float = 0.0
    booted_from: float = 0.0
    paused_at: float = 0.0
    seed: int = 0
    pid: int = 0

    def now(self) -> float:
        """The guest's time, which stands still while it is paused."""
        return self.paused_at if self.state == "paused" else time.time()


@dataclass
class SimulatedHypervisor:
    """A hypervisor that only remembers. `behaviour` holds for all guests, `special` for single ones by VMID;
    `firewalls` has what acts on those that run; `frozen` those whose file systems are held still."""

    run_dir: Path
    seed: int = 0
    behaviour: Behaviour = field(default_factory=Behaviour)
    special: dict[int, Behaviour] = field(default_factory=dict)
    firewalls: dict[int, Firewall | None] = field(default_factory=dict)
    frozen: set[int] = field(default_factory=set, init=False)
    _guests: dict[int, _Guest] = field(default_factory=dict, init=False)
    _starts: int = field(default=0, init=False)
    _screens: dict[int, Screen] = field(default_factory=dict, init=False)
    _viewers: dict[int, set[asyncio.Task[None]]] = field(default_factory=dict, init=False)
    _thaws: Thaws = field(default_factory=Thaws, init=False)
    _bitmaps: Bitmaps = field(init=False)

    def __post_init__(self) -> None:
        self._bitmaps = Bitmaps(self.run_dir)

    def of(self, vmid: int) -> Behaviour:
        """How one guest behaves."""
        return self.special.get(vmid, self.behaviour)

    async def open(self) -> None:
        """Find the guests that an earlier node left running, and clear what it left half-done."""
        self.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_torn(self.run_dir)
        self._bitmaps.open()
        for path in self.run_dir.glob("[0-9]*.json"):
            guest = _Guest(**cast("Mapping[str, object]", read_json(path)))  # type: ignore[arg-type]
            self._guests[guest.vmid] = guest

    async def close(self, *, keep_guests: bool) -> None:
        """Let go of the guests, or end them."""
        await self._thaws.close()
        if not keep_guests:
            for vmid in list(self._guests):
                await self.stop(vmid)

    async def create_disk(self, path: Path, size_bytes: int, image: Path | None) -> None:
        """A file that says how big the disk is."""
        await asyncio.sleep(self.behaviour.disk_seconds)
        size = size_bytes if image is None else max(size_bytes, virtual_size(image))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_disk(path, size)

    async def resize_disk(self, vmid: int, slot: str, path: Path, size_bytes: int) -> None:
        """Grow a disk."""
        del vmid, slot
        resize_disk(path, size_bytes)

    async def disk_size(self, path: Path) -> int:
        """Virtual size in bytes: of a disk of ours, of a qcow2 image, or of a raw file."""
        return virtual_size(path)

    async def delete_disk(self, path: Path) -> None:
        """Remove a disk."""
        remove_disk(path)

    def write(self, path: Path, offset: int, data: bytes) -> None:
        """What a guest that runs, or whoever made a disk, writes to it."""
        write_content(path, offset, data)
        self._bitmaps.note(path, offset, len(data))

    @asynccontextmanager
    async def snapshot(
        self, request: SnapshotRequest, log: Callable[[str], None]
    ) -> AsyncIterator[Sequence[DiskSnapshot]]:
        """The disks as they are now."""
        running = request.vmid in self._guests
        async with AsyncExitStack() as disks:
            if running and request.freeze:
                async with frozen(self._agent_of(request.vmid), lambda: self._thaw(request.vmid), log):
                    snapshots = disks.enter_context(self._bitmaps.snapshot(request, running=running))
            else:
                snapshots = disks.enter_context(self._bitmaps.snapshot(request, running=running))
            yield snapshots

    async def import_disk(self, path: Path, content: Path) -> None:
        """A disk that holds what a raw file holds."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fill_disk(path, content)
        content.unlink()

    async def start(self, spec: GuestSpec) -> None:
        """Start a guest that is stopped."""
        if spec.vmid in self._guests:
            raise HypervisorError(f"VM {spec.vmid} already running")
        await asyncio.sleep(self.of(spec.vmid).start_seconds)
        for disk in spec.disks:
            if not disk.path.exists():
                raise HypervisorError(f"could not open '{disk.path}': No such file or directory")
        self._starts += 1
        now = time.time()
        guest = _Guest(
            vmid=spec.vmid,
            name=spec.name,
            cores=spec.cores,
            memory_mb=spec.memory_mb,
            agent=spec.agent,
            macs=[nic.mac for nic in spec.nics],
            addresses=[nic.address for nic in spec.nics],
            started=now,
            booted_from=now,
            seed=random.Random(f"{self.seed}:{spec.vmid}:{self._starts}").getrandbits(32),  # noqa: S311
            pid=100_000 + self._starts,
        )
        self.firewalls[spec.vmid] = spec.firewall
        self._keep(guest)

    async def stop(self, vmid: int) -> None:
        """Pull the plug."""
        self._screens.pop(vmid, None)
        for viewer in self._viewers.pop(vmid, ()):
            viewer.cancel()
        self.firewalls.pop(vmid, None)
        self.frozen.discard(vmid)
        self._bitmaps.forget(vmid)
        if self._guests.pop(vmid, None) is not None:
            self._file(vmid).unlink(missing_ok=True)

    async def shutdown(self, vmid: int, timeout_seconds: float) -> None:
        """Press the power button: a guest that has booted and obeys is gone a moment later."""
        deadline = time.monotonic() + timeout_seconds
        guest = self._guests.get(vmid)
        while guest is not None and guest is self._guests.get(vmid):
            behaviour = self.of(vmid)
            if behaviour.obeys_power_button and guest.state == "running" and self._booted(guest):
                await asyncio.sleep(min(behaviour.shutdown_seconds, max(0.0, deadline - time.monotonic())))
                if time.monotonic() < deadline:
                    await self.stop(vmid)
                    return
            if time.monotonic() >= deadline:
                raise HypervisorError("got timeout")
            await asyncio.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))

    async def reset(self, vmid: int) -> None:
        """Press the reset button: it boots again, with the counters running on."""
        guest = self._running(vmid)
        guest.booted_from = time.time()
        self._keep(guest)

    async def plug(self, spec: GuestSpec, index: int) -> None:
        """Put a card into a running guest, which uses it at once."""
        del index
        await self.write_cloud_init(spec)

    async def unplug(self, spec: GuestSpec, index: int) -> None:
        """Take a card out of a running guest, which lets go of it unless it is told not to."""
        if not self.of(spec.vmid).lets_go_of_cards:
            raise HypervisorError(f"error on hot-unplugging device 'net{index}'")
        await self.write_cloud_init(spec)

    async def write_cloud_init(self, spec: GuestSpec) -> None:
        """The guest follows its drive at once."""
        guest = self._running(spec.vmid)
        guest.macs = [nic.mac for nic in spec.nics]
        guest.addresses = [nic.address for nic in spec.nics]
        self._keep(guest)

    async def pause(self, vmid: int) -> None:
        """Stop the guest's processors."""
        guest = self._running(vmid)
        if guest.state == "running":
            guest.state, guest.paused_at = "paused", time.time()
            self._keep(guest)

    async def resume(self, vmid: int) -> None:
        """Let them go on."""
        guest = self._running(vmid)
        if guest.state == "paused":
            gone = time.time() - guest.paused_at
            guest.state, guest.started, guest.booted_from = "running", guest.started + gone, guest.booted_from + gone
            self._keep(guest)

    async def apply_firewall(self, vmid: int, firewall: Firewall | None) -> None:
        """Remember what acts on a running guest."""
        if vmid in self._guests:
            self.firewalls[vmid] = firewall

    def firewall_limitations(self, firewall: Firewall) -> Sequence[str]:
        """Without packets there is nothing that is not enforced."""
        del firewall
        return ()

    async def state(self, vmid: int) -> PowerState:
        """Power state; an unknown guest is stopped."""
        guest = self._guests.get(vmid)
        return "stopped" if guest is None else guest.state

    async def counters(self, vmid: int) -> Counters:
        """Readings that follow from the seed and the time: no two guests alike, totals never falling."""
        guest = self._guests.get(vmid)
        if guest is None:
            return Counters()
        seconds = guest.now() - guest.started
        worked = max(0.0, seconds - self.of(vmid).boot_seconds)
        chance = random.Random(guest.seed)  # noqa: S311
        load, rates = chance.uniform(0.02, 0.6), [chance.uniform(1e3, 5e6) for _ in range(4)]
        memory = int(guest.memory_mb * chance.uniform(0.2, 0.7)) << 20
        return Counters(
            cpu=0.0 if guest.state == "paused" else load * random.Random(f"{guest.seed}:{int(seconds)}").random(),  # noqa: S311
            memory_bytes=memory,
            net_in=int(rates[0] * worked),
            net_out=int(rates[1] * worked),
            disk_read=int(rates[2] * worked),
            disk_write=int(rates[3] * worked),
            uptime_seconds=int(seconds),
            pid=guest.pid,
            extra=balloon(guest.memory_mb << 20, memory) if self._booted(guest) else {},
        )

    async def agent(self, vmid: int, command: str) -> object:
        """The answers of a guest that has booted and has an agent."""
        guest = self._guests.get(vmid)
        alive = guest is not None and guest.state == "running" and guest.agent and self.of(vmid).agent_answers
        if guest is None or not alive or not self._booted(guest):
            raise AgentUnavailable("QEMU guest agent is not running")
        if command in _FREEZING:
            _FREEZING[command](self.frozen, vmid)
        return answer(command, Inside(guest.name, guest.cores, guest.macs, guest.addresses, vmid in self.frozen))

    async def open_display(self, vmid: int, password: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the guest's screen."""
        guest = self._running(vmid)
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_unix_connection(sock=theirs)
        viewers = self._viewers.setdefault(vmid, set())
        viewer = asyncio.create_task(show(self.screen(vmid), guest.name, password, *streams))
        viewers.add(viewer)
        viewer.add_done_callback(viewers.discard)
        return await asyncio.open_unix_connection(sock=ours)

    def screen(self, vmid: int) -> Screen:
        """What a guest shows."""
        return self._screens.setdefault(vmid, Screen())

    async def forget(self, vmid: int) -> None:
        """Remove what is kept about a guest."""
        await self.stop(vmid)
        self.special.pop(vmid, None)

    def _agent_of(self, vmid: int) -> Agent:
        async def ask(command: str) -> object:
            return await self.agent(vmid, command)

        return ask

    def _thaw(self, vmid: int) -> asyncio.Task[None]:
        async def alive() -> bool:
            return vmid in self._guests

        return self._thaws.begin(self._agent_of(vmid), alive, lambda: None)

    def _booted(self, guest: _Guest) -> bool:
        return guest.now() - guest.booted_from >= self.of(guest.vmid).boot_seconds

    def _running(self, vmid: int) -> _Guest:
        guest = self._guests.get(vmid)
        if guest is None:
            raise HypervisorError(f"VM {vmid} not running")
        return guest

    def _file(self, vmid: int) -> Path:
        return self.run_dir / f"{vmid}.json"

    def _keep(self, guest: _Guest) -> None:
        self._guests[guest.vmid] = guest
        write_atomically(self._file(guest.vmid), json.dumps(guest.__dict__))
