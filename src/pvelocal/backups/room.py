"""The room that a storage for backups has, and what may be wrong with it."""

import errno
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pvelocal.errors import ApiError, failed
from pvelocal.faults import StorageFault


@dataclass(frozen=True)
class Space:
    """Bytes in all, taken, and left."""

    total: int
    used: int
    avail: int


class Room:
    """Counts what a storage holds. Used from threads."""

    def __init__(self, name: str, path: Path, fault: StorageFault) -> None:
        self._name = name
        self._path = path
        self._fault = fault
        self._lock = threading.Lock()
        self._used = 0

    @property
    def online(self) -> bool:
        """Whether the storage is there."""
        return not self._fault.gone

    @property
    def seconds(self) -> float:
        """How long a backup takes at least, or a disk that is restored."""
        return self._fault.seconds

    def check(self) -> None:
        """ApiError when the storage is not there."""
        if not self.online:
            raise failed(f"storage '{self._name}' is not online")

    def space(self) -> Space:
        """The room: of the file system, or as much as the limit says."""
        free = shutil.disk_usage(self._path).free
        if self._fault.limit is not None:
            free = min(free, max(0, self._fault.limit - self._used))
        return Space(self._used + free, self._used, free)

    def start_at(self, used: int) -> None:
        """What was found there."""
        with self._lock:
            self._used = used

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Count the bytes that the block writes; ApiError when they do not fit, or when the storage vanishes."""
        with self._lock:
            self._vanish(size)
            self.check()
            if self._fault.limit is not None and self._used + size > self._fault.limit:
                raise self._full()
            self._used += size
        try:
            yield
        except OSError as error:
            self.give_back(size)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._full() from error
            raise

    def _vanish(self, size: int) -> None:
        if self._fault.gone_after is not None:
            self._fault.gone_after -= size
            if self._fault.gone_after < 0:
                self._fault.gone_after, self._fault.gone = None, True

    def give_back(self, size: int) -> None:
        """Count bytes that are no longer there."""
        with self._lock:
            self._used -= size

    def _full(self) -> ApiError:
        return failed(f"inserting chunk on store '{self._name}' failed - ENOSPC: No space left on device")
