"""Whatever happened before: every backup that is listed restores bit for bit, and no chunk is kept that none needs.

Nodes die in the middle of things, too: the next one then finds what was on disk at that moment.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvelocal import simulated_snapshots
from pvelocal.access import root_token
from pvelocal.api.create import create
from pvelocal.api.power import destroy, start, stop
from pvelocal.api.volumes import delete_volume
from pvelocal.api.vzdump import vzdump
from pvelocal.backups import chunks, index, read, storage, write
from pvelocal.backups.storage import BackupStorage
from pvelocal.files import write_atomically
from pvelocal.node import Node, NodeSettings
from pvelocal.routing import Call, Handler
from pvelocal.simulated import Behaviour, SimulatedHypervisor
from pvelocal.simulated_disks import read_content

CHUNK = 4096
PIECES = 6
SIZE = PIECES * CHUNK - 1024
DISK = f"local:{SIZE / (1 << 30):.20f}"
VMIDS = (101, 102)
PROBE = 900

vmids = st.sampled_from(VMIDS)
which = st.integers(0, 20)
wipe = st.tuples(st.just("write"), vmids, st.just(0), st.just(SIZE), st.just(0))
scribble = st.tuples(
    st.just("write"), vmids, st.integers(0, SIZE - 1), st.integers(1, 2 * CHUNK), st.sampled_from(b"ab")
)
back_up = st.tuples(st.just("back_up"), vmids)
steps = st.one_of(
    wipe,
    *(2 * [scribble]),
    *(3 * [back_up]),
    st.tuples(st.just("restore"), vmids, which),
    st.tuples(st.just("remove"), which),
    st.tuples(st.just("prune"), vmids),
    st.tuples(st.just("turn"), vmids),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("crash"), st.integers(1, 6), st.sampled_from(["back_up", "remove", "restore"]), vmids, which),
)


@pytest.fixture(scope="module", autouse=True)
def _small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (index, read, write, simulated_snapshots):
            patch.setattr(module, "CHUNK_SIZE", CHUNK)
        yield


class History:
    """A node, and what its disks and its backups have to hold."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.disks = {vmid: bytearray(SIZE) for vmid in VMIDS}
        self.backups: dict[str, bytes] = {}
        self.nodes = 0
        self.node: Node

    @property
    def data(self) -> Path:
        return self.directory / str(self.nodes)

    @property
    def kept(self) -> BackupStorage:
        return self.node.backups["backup"]

    def disk(self, vmid: int) -> Path:
        return self.data / f"images/{vmid}/vm-{vmid}-disk-0.raw"

    async def open(self) -> None:
        """A node on the data that is there."""
        self.data.mkdir(exist_ok=True)
        hypervisor = SimulatedHypervisor(self.data / "run", behaviour=Behaviour(boot_seconds=0, shutdown_seconds=0))
        self.node = Node(NodeSettings(self.data), hypervisor, [])
        await self.node.open()

    async def close(self) -> None:
        await self.node.close(keep_guests=True)

    async def act(self, handler: Handler, **parameters: Any) -> str:
        """How the task of a call ends."""
        upid = await handler(Call(self.node, root_token("t", "s"), parameters))
        return str((await self.node.tasks.wait(str(upid))).exit_status)

    async def begin(self) -> None:
        for vmid in VMIDS:
            assert await self.act(create, vmid=vmid, scsi0=DISK, agent="1") == "OK"
            assert self.disk(vmid).exists()
        await self.turn(VMIDS[0])

    async def write(self, vmid: int, offset: int, length: int, byte: int) -> None:
        data = bytes([byte]) * min(length, SIZE - offset)
        hypervisor = self.node.hypervisor
        assert isinstance(hypervisor, SimulatedHypervisor)
        hypervisor.write(self.disk(vmid), offset, data)
        self.disks[vmid][offset : offset + len(data)] = data

    async def back_up(self, vmid: int) -> None:
        before = self.listed()
        assert await self.act(vzdump, vmid=str(vmid), storage="backup") == "OK"
        (made,) = self.listed() - before
        self.backups[made] = bytes(self.disks[vmid])

    async def restore(self, vmid: int, number: int) -> None:
        if volid := self.choose(number):
            await self.act(stop, vmid=vmid)
            assert await self.act(create, vmid=vmid, archive=volid, force=1) == "OK"
            self.disks[vmid] = bytearray(self.backups[volid])

    async def remove(self, number: int) -> None:
        if volid := self.choose(number):
            assert await self.act(delete_volume, storage="backup", volume=volid) == "OK"
            del self.backups[volid]

    async def prune(self, vmid: int) -> None:
        """All but the newest of a machine go."""
        for volid in sorted(volid for volid in self.backups if f"/{vmid}/" in volid)[:-1]:
            assert await self.act(delete_volume, storage="backup", volume=volid) == "OK"
            del self.backups[volid]

    async def turn(self, vmid: int) -> None:
        """On or off."""
        running = await self.node.state(self.node.vms.get(vmid)) == "running"
        assert await self.act(stop if running else start, vmid=vmid) == "OK"

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    async def crash(self, after: int, doing: str, vmid: int, number: int) -> None:
        """The node dies when something was written or removed for this many times."""
        before = dict(self.backups)
        saved = self.directory / str(self.nodes + 1)
        with copied(self.data, saved, after):
            if doing == "back_up":
                await self.back_up(vmid)
            elif doing == "remove":
                await self.remove(number)
            else:
                await self.restore(vmid, number)
        if saved.exists():
            await self.close()
            self.nodes += 1
            await self.open()
            both = before | self.backups
            assert set(before) & set(self.backups) <= self.listed() <= set(both)
            self.backups = {volid: both[volid] for volid in self.listed()}
            self.disks = {
                vmid: bytearray(read_content(self.disk(vmid), 0, SIZE)) for vmid in VMIDS if self.disk(vmid).exists()
            }
            for vmid in set(VMIDS) - set(self.disks):
                self.disks[vmid] = bytearray(SIZE)
                assert await self.act(create, vmid=vmid, archive="", force=1, scsi0=DISK) == "OK"

    def choose(self, number: int) -> str | None:
        return sorted(self.backups)[number % len(self.backups)] if self.backups else None

    def listed(self) -> set[str]:
        return {self.kept.volid(storage.name_of(backup)) for backup in self.kept.backups()}

    async def check(self) -> None:
        """All is as it has to be."""
        assert self.listed() == set(self.backups)
        for vm in self.node.vms:
            assert "lock" not in vm.config
        needed = set().union(*(self.kept.index(self.kept.parse(volid)).digests() for volid in self.backups))
        assert {path.name for path in self.data.glob("backups/chunks/*/*")} == needed
        assert not list(self.kept.scratch.iterdir())
        assert self.kept.room.space().used == sum(
            path.stat().st_size for path in self.data.glob("backups/*/*/*") if path.is_file()
        )

    async def check_backups(self) -> None:
        for volid, content in self.backups.items():
            assert await self.act(create, vmid=PROBE, archive=volid) == "OK"
            assert read_content(self.disk(PROBE), 0, SIZE) == content
            assert await self.act(destroy, vmid=PROBE) == "OK"


@contextmanager
def copied(data: Path, target: Path, after: int) -> Iterator[None]:
    """Copy everything that is on disk once something was written or removed for so many times."""
    left = after

    def count(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                shutil.copytree(data, target)
            return function(*arguments, **named)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks.Chunks, "write", count(chunks.Chunks.write))
        patch.setattr(chunks.Chunks, "_remove", count(chunks.Chunks._remove))
        patch.setattr(storage, "write_atomically", count(write_atomically))
        patch.setattr(BackupStorage, "_sweep", count(BackupStorage._sweep))
        patch.setattr(BackupStorage, "chunk", count(BackupStorage.chunk))
        yield


async def live(history: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        life = History(Path(directory))
        await life.open()
        try:
            await life.begin()
            for step, *arguments in history:
                await getattr(life, step)(*arguments)
                await life.check()
            await life.check_backups()
        finally:
            await life.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=14))
def test_every_listed_backup_restores(history: list[tuple[Any, ...]]) -> None:
    asyncio.run(live(history))
