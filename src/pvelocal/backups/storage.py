"""The storage for backups: a Proxmox Backup Server's datastore as the node sees it, in a directory."""

import logging
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pvelocal.backups.chunks import Chunks, Hold
from pvelocal.backups.index import Backup, Index, read_backup, read_index, with_attributes
from pvelocal.backups.room import Room
from pvelocal.errors import failed
from pvelocal.faults import StorageFault
from pvelocal.files import write_atomically

_NAME = re.compile(r"backup/vm/(?P<vmid>[1-9]\d{2,8})/(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_SUFFIX = ".index"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackupName:
    """What a backup is called: `backup/vm/201/2026-11-23T08:00:00Z`."""

    vmid: int
    moment: str

    @property
    def snapshot(self) -> str:
        """The name that the backup server knows it by."""
        return f"vm/{self.vmid}/{self.moment}"

    @property
    def volume(self) -> str:
        """The name of the volume."""
        return f"backup/{self.snapshot}"


def name_of(backup: Backup) -> BackupName:
    """What a backup is called."""
    return BackupName(backup.vmid, datetime.fromtimestamp(backup.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


class BackupStorage:
    """Backups by name. Its calls block: they belong into threads.

    A backup exists as soon as its index is in its place. Whoever makes or uses one holds its chunks; what is neither
    held nor named by an index is swept away.
    """

    type = "pbs"
    content = ("backup",)

    def __init__(self, name: str, path: Path, fault: StorageFault, *, durable: bool) -> None:
        self.name = name
        self._path = path
        self._durable = durable
        self.room = Room(name, path, fault)
        self._chunks = Chunks(path / "chunks", self.room)
        self._changing = threading.Lock()

    def open(self) -> None:
        """Make the directories, and clear what a node that died left half-done."""
        for directory in ("vm", "chunks"):
            (self._path / directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(self._path / "tmp", ignore_errors=True)
        (self._path / "tmp").mkdir(mode=0o700)
        for torn in self._path.glob("vm/*/.*.tmp"):
            torn.unlink()
        with self._changing:
            remaining = self._sweep()
        self.room.start_at(remaining + sum(path.stat().st_size for path in self._indexes()))

    @property
    def repository(self) -> str:
        """What the backup server calls it."""
        return f"root@pam@localhost:{self.name}"

    @property
    def scratch(self) -> Path:
        """A directory for what is needed for a moment; emptied by `open`."""
        return self._path / "tmp"

    def volid(self, name: BackupName) -> str:
        """The id of the volume that a backup is."""
        return f"{self.name}:{name.volume}"

    def parse(self, volume: str) -> BackupName:
        """The name in a volume's id or name; ApiError when that is none."""
        match = _NAME.fullmatch(volume.removeprefix(f"{self.name}:"))
        if match is None:
            raise failed(f"unable to parse PBS volume name '{volume}'")
        return BackupName(int(match["vmid"]), match["time"])

    def backups(self, vmid: int = 0) -> list[Backup]:
        """All backups, or those of one VM, in no order; ApiError when the storage is not there."""
        self.room.check()
        backups = (self._read(path) for path in self._indexes(vmid))
        return [backup for backup in backups if backup is not None]

    def find(self, name: BackupName) -> Backup | None:
        """A backup, if it is there; ApiError when the storage is not."""
        self.room.check()
        return self._read(self._index(name))

    def index(self, name: BackupName) -> Index:
        """A backup with its chunks; ApiError when there is none."""
        self.room.check()
        try:
            return read_index(self._index(name))
        except (FileNotFoundError, ValueError):
            raise failed(f"volume '{self.volid(name)}' does not exist") from None

    def hold(self) -> AbstractContextManager[Hold]:
        """Holds chunks that are about to be part of a backup until the block ends."""
        return self._chunks.hold()

    @contextmanager
    def held(self, name: BackupName) -> Iterator[Index]:
        """A backup whose chunks stay until the block ends, even if it is removed; ApiError when there is none."""
        with self.hold() as hold:
            yield self.reserve(name, hold)

    def reserve(self, name: BackupName, hold: Hold) -> Index:
        """A backup whose chunks are held from now on; ApiError when there is none."""
        with self._changing:
            index = self.index(name)
            hold.keep(index.digests())
        return index

    def chunk(self, digest: str) -> bytes:
        """A chunk; ApiError when it is not what it was."""
        return self._chunks.read(digest)

    def free_time(self, vmid: int) -> int:
        """The first second from now on in which no backup of this VM was made."""
        taken = {path.stem for path in self._indexes(vmid)}
        moment = int(time.time())
        while datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") in taken:
            moment += 1
        return moment

    def commit(self, index: Index, hold: Hold) -> None:
        """Make a backup exist, once its chunks are safe. From now on its index holds them."""
        if self._durable:
            hold.sync()
        path = self._index(name_of(index.backup))
        with self._changing:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._write(path, index)

    def _write(self, path: Path, index: Index) -> None:
        text = "".join(index.lines())
        with self.room.taken(len(text.encode())):
            write_atomically(path, text, durable=self._durable)

    def change(self, name: BackupName, notes: str | None, protected: bool | None) -> None:
        """Give a backup other notes or another protection; ApiError when there is none."""
        path = self._index(name)
        with self._changing:
            index = self.index(name)
            before = path.stat().st_size
            self._write(path, with_attributes(index, notes, protected))
            self.room.give_back(before)

    def remove(self, name: BackupName) -> bool:
        """Remove a backup with the chunks that nothing else needs; whether it was there.

        ApiError for a protected one.
        """
        path = self._index(name)
        with self._changing:
            backup = self.find(name)
            if backup is None:
                return False
            if backup.protected:
                raise failed(f"cannot remove protected volume '{name.volume}' on '{self.name}'")
            self.room.give_back(path.stat().st_size)
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
            self._sweep()
        return True

    def sweep(self) -> None:
        """Remove the chunks that nothing needs; a storage that is not there keeps them until it is swept again."""
        with self._changing:
            if self.room.online:
                self._sweep()

    def _sweep(self) -> int:
        live: set[str] = set()
        try:
            for path in self._indexes():
                live |= read_index(path).digests()
        except ValueError:
            _logger.warning("the index %s is unreadable: no chunk is removed before it is", path)
            return sum(entry.stat().st_size for entry in (self._path / "chunks").glob("*/*"))
        return self._chunks.sweep(live)

    def _indexes(self, vmid: int = 0) -> Iterator[Path]:
        return self._path.glob(f"vm/{vmid or '*'}/*{_SUFFIX}")

    def _index(self, name: BackupName) -> Path:
        return self._path / "vm" / str(name.vmid) / f"{name.moment}{_SUFFIX}"

    def _read(self, path: Path) -> Backup | None:
        try:
            return read_backup(path)
        except FileNotFoundError:
            return None
        except ValueError:
            _logger.warning("the index %s is unreadable", path)
            return None
