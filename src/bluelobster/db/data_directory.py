"""The folder an embedded PostgreSQL lives in: who may use it now, its log, its socket."""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import time
from pathlib import Path

from bluelobster.private_files import sync_folder

# sun_path holds 107 bytes, and the server appends the longer of these two names to the folder.
_LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432.lock")
_LARGEST_LOG = 4 * 1024 * 1024
_PREDECESSOR_SECONDS = 30.0
_POLL_SECONDS = 0.01


class EmbeddedPostgresError(Exception):
    """The server cannot do its work; the text says why, with the end of its log."""


class DataDirectoryInUse(EmbeddedPostgresError):
    """Another process runs a server on this directory."""


class DataDirectory:
    """`cluster` is PostgreSQL's own folder; beside it are the log, the socket and two locks.

    One lock is ours alone and tells a second owner at once. The other is inherited by every process of the server:
    it is free only when the last of them is gone, however its owner died.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.cluster = self.path / "cluster"
        self.log = self.path / "postgres.log"
        self._short_socket_folder: Path | None = None
        self._owner_lock: int | None = None
        self._server_lock: int | None = None

    async def take(self) -> int:
        """Takes both locks and returns the one to be inherited. Raises DataDirectoryInUse, OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self._owner_lock = _open_lock(self.path / "owner.lock")
        if not _lock(self._owner_lock):
            holder = os.pread(self._owner_lock, 32, 0).decode().strip() or "unknown"
            raise DataDirectoryInUse(f"{self.path} is in use by another process (pid {holder})")
        os.ftruncate(self._owner_lock, 0)
        os.pwrite(self._owner_lock, f"{os.getpid()}\n".encode(), 0)
        self._server_lock = _open_lock(self.path / "server.lock")
        deadline = time.monotonic() + _PREDECESSOR_SECONDS
        while not _lock(self._server_lock):
            if time.monotonic() > deadline:
                raise DataDirectoryInUse(f"a PostgreSQL server left over on {self.path} does not end")
            await asyncio.sleep(_POLL_SECONDS)
        return self._server_lock

    def release(self) -> None:
        """Gives back our locks and what we have outside the folder."""
        if self._short_socket_folder is not None:
            with contextlib.suppress(OSError):
                self._short_socket_folder.rmdir()
        self._short_socket_folder = None
        for lock in (self._server_lock, self._owner_lock):
            if lock is not None:
                os.close(lock)
        self._server_lock = self._owner_lock = None

    def open_log(self) -> int:
        """A file descriptor that appends to the log, the previous log being set aside when it has grown large."""
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def failure(self, what: str) -> EmbeddedPostgresError:
        """An error that says what failed and shows the end of the log."""
        try:
            tail = "".join(self.log.read_text(errors="replace").splitlines(keepends=True)[-10:])
        except OSError as error:
            return EmbeddedPostgresError(f"{what}, and {self.log} cannot be read: {error.strerror}")
        if self._is_read_only():
            return EmbeddedPostgresError(f"{what}: the file system that holds {self.path} has become read-only")
        if "No space left on device" in tail:
            what = f"{what}: the disk that holds {self.path} is full"
        elif "could not look up effective user ID" in tail:
            uid = os.geteuid()
            what = f"{what}: PostgreSQL needs a name for user {uid}, and this system has none (useradd --uid {uid} …)"
        return EmbeddedPostgresError(f"{what}. The end of {self.log}:\n{tail}")

    def _is_read_only(self) -> bool:
        """Not by how it is mounted: after an error of the disk that still reads `rw`."""
        try:
            os.close(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))
        except OSError as error:
            return error.errno == errno.EROFS
        return False

    def socket_folder(self) -> Path:
        """A folder that only we enter, with a path short enough for a unix socket. Raises EmbeddedPostgresError."""
        inside = self.path / "socket"
        # libpq takes a comma for the beginning of another host.
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_FOLDER and "," not in str(inside):
            inside.mkdir(mode=0o700, exist_ok=True)
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        short = Path("/tmp", f"bluelobster-{os.geteuid()}-{digest}")  # noqa: S108
        short.mkdir(mode=0o700, exist_ok=True)
        found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise EmbeddedPostgresError(f"{short} is needed for PostgreSQL's socket, but is not ours alone")
        self._short_socket_folder = short
        return short

    def sync(self) -> None:
        """Makes renames in this folder durable."""
        sync_folder(self.path)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
