"""The index of a backup: what was backed up, and which chunks its disks consist of.

A file of lines of JSON: first everything that lists show, then the chunks of each disk in its order.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pvelocal.hypervisor import CHUNK_SIZE
from pvelocal.verification import Value


@dataclass(frozen=True)
class BackedUpDisk:
    """A disk in a backup: its size in bytes, and what it was an image of."""

    slot: str
    size: int
    storage: str
    format: str


@dataclass(frozen=True)
class Backup:
    """A backup without its chunks. `mark` tells it from every other; `firewall` is the document of the VM's."""

    vmid: int
    time: int
    mark: str
    config: Mapping[str, Value]
    firewall: str
    disks: tuple[BackedUpDisk, ...]
    notes: str = ""
    protected: bool = False

    @property
    def size(self) -> int:
        """Bytes of all that was backed up, as Proxmox Backup Server counts them."""
        return sum(disk.size for disk in self.disks) + len(json.dumps(dict(self.config))) + len(self.firewall)

    @property
    def disk_sizes(self) -> dict[str, int]:
        """Bytes of its disks, by slot."""
        return {disk.slot: disk.size for disk in self.disks}

    def line(self) -> str:
        """The first line of its index."""
        return json.dumps(asdict(self)) + "\n"


ChunkMap = Mapping[int, str]
"""Digests by the position of the chunk; where there is none, the disk is all zeroes."""


@dataclass(frozen=True)
class Index:
    """A backup with the chunks of each of its disks, by slot."""

    backup: Backup
    chunks: Mapping[str, ChunkMap]

    def lines(self) -> Iterator[str]:
        """What its file holds."""
        yield self.backup.line()
        for disk in self.backup.disks:
            yield json.dumps(self.chunks[disk.slot], separators=(",", ":")) + "\n"

    def digests(self) -> set[str]:
        """All chunks that it needs."""
        return {digest for chunks in self.chunks.values() for digest in chunks.values()}


def read_backup(path: Path) -> Backup:
    """The backup that an index is of; FileNotFoundError when there is none, ValueError when it is unreadable."""
    with path.open(encoding="utf-8") as file:
        return _parse(file.readline())


def read_index(path: Path) -> Index:
    """A whole index; the same errors."""
    with path.open(encoding="utf-8") as file:
        backup = _parse(file.readline())
        maps = {disk.slot: _parse_map(file.readline()) for disk in backup.disks}
    return Index(backup, maps)


def _parse(line: str) -> Backup:
    try:
        values: dict[str, Any] = json.loads(line)
        disks = tuple(BackedUpDisk(**disk) for disk in values.pop("disks"))
        return Backup(**values, disks=disks)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an index: {error}") from error


def _parse_map(line: str) -> ChunkMap:
    return {int(position): digest for position, digest in json.loads(line).items()}


def with_attributes(index: Index, notes: str | None, protected: bool | None) -> Index:
    """An index with other notes or another protection, where they are given."""
    backup = index.backup
    changed = replace(
        backup,
        notes=backup.notes if notes is None else notes,
        protected=backup.protected if protected is None else protected,
    )
    return replace(index, backup=changed)


def chunk_count(size: int) -> int:
    """How many chunks a disk of this size has; the last may be short."""
    return -(-size // CHUNK_SIZE)


def chunk_length(size: int, position: int) -> int:
    """Bytes of one chunk of a disk."""
    return min(CHUNK_SIZE, size - position * CHUNK_SIZE)


def bytes_of(size: int, positions: Collection[int]) -> int:
    """Bytes of some chunks of a disk."""
    last = chunk_count(size) - 1
    missing = CHUNK_SIZE - chunk_length(size, last) if last in positions else 0
    return len(positions) * CHUNK_SIZE - missing
