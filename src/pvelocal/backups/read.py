"""Putting a disk together from its chunks."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from pvelocal.backups.index import BackedUpDisk, ChunkMap
from pvelocal.backups.storage import BackupStorage
from pvelocal.hypervisor import CHUNK_SIZE
from pvelocal.threads import in_thread

Progress = Callable[[int], Awaitable[None]]
"""Told the offset that was reached, in bytes."""


async def fill_file(
    storage: BackupStorage, disk: BackedUpDisk, chunks: ChunkMap, path: Path, progress: Progress
) -> None:
    """Make a raw file with the content of a disk, and holes where it is all zeroes.

    ApiError when a chunk is missing or is not what it was; the file is whole or of no use.
    """
    with path.open("xb") as file:
        file.truncate(disk.size)
        for position in sorted(chunks):
            data = await in_thread(storage.chunk, chunks[position])
            file.seek(position * CHUNK_SIZE)
            await in_thread(file.write, data)
            await progress(position * CHUNK_SIZE + len(data))
    await progress(disk.size)
