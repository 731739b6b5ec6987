"""Chunks of disks, each a file named by the digest of its content: what several backups share is kept once."""

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from pvelocal.backups.room import Room
from pvelocal.errors import failed
from pvelocal.files import sync_directory


class Hold:
    """The chunks that one backup or restore needs: no sweep takes them before it ends."""

    def __init__(self, chunks: "Chunks", lock: threading.Lock) -> None:
        self._chunks = chunks
        self._lock = lock
        self._digests: set[str] = set()
        self._written: list[str] = []

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def keep(self, digests: Iterable[str]) -> None:
        """Hold chunks that are there."""
        with self._lock:
            self._digests.update(digests)

    def put(self, data: bytes) -> tuple[str, bool]:
        """Keep a chunk; its digest, and whether it is a new one."""
        digest = hashlib.sha256(data).hexdigest()
        # Held before it is looked for: a sweep either sees that, or is over with it.
        self.keep((digest,))
        new = not self._chunks.holds(digest, len(data))
        if new:
            self._chunks.write(digest, data)
            self._written.append(digest)
        return digest, new

    def sync(self) -> None:
        """Make sure that what was written outlives a power failure."""
        self._chunks.sync(self._written)


class Chunks:
    """The chunks in a directory. Every call may come from a thread of its own."""

    def __init__(self, directory: Path, room: Room) -> None:
        self._directory = directory
        self._temporary = directory.parent / "tmp"
        self._room = room
        self._lock = threading.Lock()
        self._holds: set[Hold] = set()

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """Holds chunks until the block ends."""
        hold = Hold(self, self._lock)
        with self._lock:
            self._holds.add(hold)
        try:
            yield hold
        finally:
            with self._lock:
                self._holds.discard(hold)

    def holds(self, digest: str, length: int) -> bool:
        """Whether a chunk is there, whole."""
        try:
            return self._path(digest).stat().st_size == length
        except FileNotFoundError:
            return False

    def write(self, digest: str, data: bytes) -> None:
        """Put a chunk in its place; ApiError when there is no room."""
        path, temporary = self._path(digest), self._temporary / f"{digest}.{threading.get_ident()}"
        with self._room.taken(len(data)):
            try:
                temporary.write_bytes(data)
                path.parent.mkdir(exist_ok=True)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def read(self, digest: str) -> bytes:
        """A chunk; ApiError when it is not there, or is not what it was."""
        self._room.check()
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise failed(f"chunk {digest} is missing") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise failed(f"chunk {digest} is corrupt: wrong digest")
        return data

    def sync(self, digests: Iterable[str]) -> None:
        """Have chunks written out to the disk, with the directories that they are in."""
        paths = [self._path(digest) for digest in digests]
        for path in paths:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        for directory in {path.parent for path in paths}:
            sync_directory(directory)
        sync_directory(self._directory)

    def sweep(self, live: Set[str]) -> int:
        """Remove all chunks but those that are live or held; the bytes that remain."""
        remaining = 0
        for directory in sorted(self._directory.iterdir()):
            for entry in os.scandir(directory):
                size = entry.stat().st_size
                if entry.name in live or not self._remove(Path(entry.path), size):
                    remaining += size
        return remaining

    def _remove(self, path: Path, size: int) -> bool:
        with self._lock:
            if any(path.name in hold for hold in self._holds):
                return False
            path.unlink()
            self._room.give_back(size)
        return True

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest
