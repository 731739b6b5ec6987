"""Putting a snapshot of a disk into chunks."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pvelocal.backups.chunks import Hold
from pvelocal.backups.index import ChunkMap, bytes_of, chunk_count, chunk_length
from pvelocal.hypervisor import CHUNK_SIZE, DiskSnapshot, Extent
from pvelocal.threads import in_thread

_ZEROES = bytes(CHUNK_SIZE)


@dataclass
class Tally:
    """Bytes of a backup: in all, to be looked at, looked at so far, of these all zeroes, and known before."""

    total: int = 0
    target: int = 0
    done: int = 0
    zero: int = 0
    reused: int = 0


Advance = Callable[[], Awaitable[None]]
"""Told whenever the tally has changed."""


def changed_positions(snapshot: DiskSnapshot) -> Collection[int]:
    """The chunks that have to be looked at."""
    if snapshot.since is None:
        return range(chunk_count(snapshot.size))
    touched = (range(start // CHUNK_SIZE, -(-(start + length) // CHUNK_SIZE)) for start, length in snapshot.changed)
    beyond = chunk_count(snapshot.size)
    return {position for positions in touched for position in positions if position < beyond}


async def store_disk(snapshot: DiskSnapshot, base: ChunkMap, hold: Hold, tally: Tally, advance: Advance) -> ChunkMap:
    """The chunks of a disk, all of them kept. `base` has those of the backup that the snapshot is compared with."""
    changed = changed_positions(snapshot)
    chunks = {position: digest for position, digest in base.items() if position not in changed}
    data = {position: parts for position, parts in _by_chunk(snapshot.extents).items() if position in changed}
    with snapshot.path.open("rb") as file:
        for position in sorted(data):
            length = chunk_length(snapshot.size, position)
            digest = await in_thread(_store, file, data[position], position, length, hold, tally)
            if digest is not None:
                chunks[position] = digest
            tally.done += length
            await advance()
    # A disk is mostly empty, and what is empty is not visited.
    empty = bytes_of(snapshot.size, changed) - bytes_of(snapshot.size, data)
    if empty:
        tally.zero += empty
        tally.done += empty
        await advance()
    return chunks


def _by_chunk(extents: Sequence[Extent]) -> dict[int, list[Extent]]:
    """The parts of the data that lie in each chunk."""
    found: dict[int, list[Extent]] = {}
    for extent in extents:
        for part in _split(extent):
            found.setdefault(part.start // CHUNK_SIZE, []).append(part)
    return found


def _split(extent: Extent) -> Iterator[Extent]:
    start, end = extent.start, extent.start + extent.length
    while start < end:
        length = min(end, (start // CHUNK_SIZE + 1) * CHUNK_SIZE) - start
        yield Extent(start, length, extent.offset + start - extent.start)
        start += length


def _store(file: BinaryIO, parts: Sequence[Extent], position: int, length: int, hold: Hold, tally: Tally) -> str | None:
    data = bytearray(length)
    for part in parts:
        begin = part.start - position * CHUNK_SIZE
        end = min(begin + part.length, length)
        file.seek(part.offset)
        content = file.read(end - begin)
        data[begin : begin + len(content)] = content
    if data == _ZEROES[:length]:
        tally.zero += length
        return None
    digest, new = hold.put(bytes(data))
    if not new:
        tally.reused += length
    return digest
