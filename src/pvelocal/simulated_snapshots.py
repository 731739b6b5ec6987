"""Snapshots of simulated disks, and what changed since the one before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pvelocal.hypervisor import CHUNK_SIZE, Disk, DiskSnapshot, Extent, SnapshotRequest
from pvelocal.simulated_disks import copy_content, virtual_size

_COPY = "snapshot-"


@dataclass
class _Bitmap:
    """The chunks of a disk that were written since the backup of this mark."""

    mark: str
    dirty: set[int] = field(default_factory=set)


class Bitmaps:
    """The dirty bitmaps of guests that run, which end with them."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._known: dict[int, dict[Path, list[_Bitmap]]] = {}

    def open(self) -> None:
        """Remove the copies of a node that died during a backup."""
        for copy in self._scratch.glob(f"{_COPY}*"):
            copy.unlink()

    def note(self, path: Path, offset: int, length: int) -> None:
        """Something was written to a disk."""
        touched = range(offset // CHUNK_SIZE, (offset + length - 1) // CHUNK_SIZE + 1)
        for disks in self._known.values():
            for bitmap in disks.get(path, ()):
                bitmap.dirty.update(touched)

    def forget(self, vmid: int) -> None:
        """A guest ended."""
        self._known.pop(vmid, None)

    @contextmanager
    def snapshot(self, request: SnapshotRequest, *, running: bool) -> Iterator[Sequence[DiskSnapshot]]:
        """The disks as they are, copied; with the changes noted since, when the guest runs."""
        known = self._known.setdefault(request.vmid, {}) if running else {}
        copies: list[Path] = []
        snapshots: list[DiskSnapshot] = []
        for disk in request.disks:
            copies.append(self._scratch / f"{_COPY}{request.mark}-{disk.slot}")
            earlier = _usable(known.get(disk.path, ()), disk, request)
            snapshots.append(_snapshot(disk, copies[-1], earlier))
            known.setdefault(disk.path, []).append(_Bitmap(request.mark))
        kept = False
        try:
            yield snapshots
            kept = True
        finally:
            for copy in copies:
                copy.unlink(missing_ok=True)
            for disk in request.disks:
                bitmaps = known.get(disk.path, [])
                bitmaps[:] = [bitmap for bitmap in bitmaps if (bitmap.mark == request.mark) == kept]


def _usable(bitmaps: Sequence[_Bitmap], disk: Disk, request: SnapshotRequest) -> _Bitmap | None:
    size = virtual_size(disk.path)
    found = (bitmap for bitmap in bitmaps if request.earlier.get(bitmap.mark, {}).get(disk.slot) == size)
    return next(found, None)


def _snapshot(disk: Disk, copy: Path, earlier: _Bitmap | None) -> DiskSnapshot:
    size, extents = virtual_size(disk.path), copy_content(disk.path, copy)
    if earlier is None:
        return DiskSnapshot(disk.slot, size, copy, extents)
    changed = tuple((position * CHUNK_SIZE, CHUNK_SIZE) for position in sorted(earlier.dirty))
    return DiskSnapshot(disk.slot, size, copy, _within(extents, earlier.dirty), earlier.mark, changed)


def _within(extents: Sequence[Extent], positions: set[int]) -> tuple[Extent, ...]:
    """The parts of extents that lie in these chunks."""
    return tuple(
        Extent(start, end - start, extent.offset + start - extent.start)
        for extent in extents
        for position in sorted(positions)
        if (start := max(extent.start, position * CHUNK_SIZE))
        < (end := min(extent.start + extent.length, (position + 1) * CHUNK_SIZE))
    )
