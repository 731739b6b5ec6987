"""The store of chunks, from several threads at once."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from pvelocal.backups.index import BackedUpDisk, Backup, Index
from pvelocal.backups.storage import BackupName, BackupStorage, name_of
from pvelocal.errors import ApiError
from pvelocal.faults import StorageFault

VMID = 101


@pytest.fixture
def storage(tmp_path: Path) -> BackupStorage:
    return opened(tmp_path)


def opened(path: Path) -> BackupStorage:
    storage = BackupStorage("backup", path / "backups", StorageFault(), durable=True)
    storage.open()
    return storage


def content(storage: BackupStorage) -> set[str]:
    return {path.name for path in storage.scratch.parent.glob("chunks/*/*")}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def being_made(storage: BackupStorage, *pieces: bytes, moment: int = 1_800_000_000) -> Iterator[BackupName]:
    """A backup whose chunks are there; its index is written at the end."""
    with storage.hold() as hold:
        positions = {position: hold.put(piece)[0] for position, piece in enumerate(pieces)}
        disk = BackedUpDisk("scsi0", len(pieces) << 22, "local", "qcow2")
        backup = Backup(VMID, moment, f"mark-{moment}", {"name": "x"}, "", (disk,))
        yield name_of(backup)
        storage.commit(Index(backup, {"scsi0": positions}), hold)


def make(storage: BackupStorage, *pieces: bytes, moment: int = 1_800_000_000) -> BackupName:
    with being_made(storage, *pieces, moment=moment) as name:
        pass
    return name


def test_a_chunk_is_kept_once(storage: BackupStorage) -> None:
    with storage.hold() as hold:
        assert hold.put(b"x") == (digest(b"x"), True)
        assert hold.put(b"x") == (digest(b"x"), False)
    assert content(storage) == {digest(b"x")}
    assert storage.room.space().used == 1


def test_any_backup_goes_without_hurting_another(storage: BackupStorage) -> None:
    names = [make(storage, b"base", b"%d" % number, moment=1_800_000_000 + number) for number in range(3)]
    for number in (1, 0):
        assert storage.remove(names[number])
        assert not storage.remove(names[number])
    assert content(storage) == storage.index(names[2]).digests() == {digest(b"base"), digest(b"2")}
    assert storage.remove(names[2])
    assert content(storage) == set()
    assert storage.room.space().used == 0
    assert not list(storage.scratch.parent.glob("vm/*"))


def test_a_sweep_spares_what_a_running_backup_needs(storage: BackupStorage) -> None:
    old = make(storage, b"shared", b"old")
    with being_made(storage, b"shared", b"new", moment=1_800_000_001) as new:
        assert storage.remove(old)
        assert content(storage) == {digest(b"shared"), digest(b"new")}
    storage.sweep()
    assert {storage.chunk(found) for found in storage.index(new).digests()} == {b"shared", b"new"}


def test_a_restore_keeps_what_it_reads(storage: BackupStorage) -> None:
    name = make(storage, b"one", b"two")
    with storage.held(name) as index:
        storage.remove(name)
        assert {storage.chunk(found) for found in index.digests()} == {b"one", b"two"}
    storage.sweep()
    assert content(storage) == set()


def test_backups_and_removals_at_once(storage: BackupStorage) -> None:
    """Writers share chunks with backups that are removed meanwhile; every backup that is left is whole."""
    names = [make(storage, b"shared", b"own-%d" % number, moment=1_800_000_000 + number) for number in range(10)]
    made: list[BackupName] = []
    start = threading.Barrier(3)

    def write(first: int) -> None:
        start.wait()
        for number in range(first, first + 10):
            pieces = (b"shared", b"own-%d" % (number % 10), b"new-%d" % number)
            made.append(make(storage, *pieces, moment=1_900_000_000 + number))

    def remove() -> None:
        start.wait()
        for name in names:
            storage.remove(name)

    with ThreadPoolExecutor(3) as pool:
        for job in [pool.submit(write, 0), pool.submit(write, 100), pool.submit(remove)]:
            job.result()
    assert len(storage.backups(VMID)) == len(made) == 20
    needed = set().union(*(storage.index(name).digests() for name in made))
    assert {digest(storage.chunk(found)) for found in needed} == needed
    storage.sweep()
    assert content(storage) == needed


def test_what_a_dead_node_left_is_cleared(storage: BackupStorage, tmp_path: Path) -> None:
    name = make(storage, b"kept")
    with storage.hold() as hold:
        hold.put(b"of a backup that was never finished")
    (storage.scratch / "half").write_bytes(b"x")
    (storage.scratch.parent / "vm/101/.torn.index.tmp").write_bytes(b"x")
    later = opened(tmp_path)
    assert content(later) == {digest(b"kept")}
    assert not list(later.scratch.iterdir())
    assert [path.name for path in later.scratch.parent.glob("vm/101/*")] == [f"{name.moment}.index"]
    assert later.room.space().used == storage.room.space().used - len(b"of a backup that was never finished")


def test_a_full_disk(storage: BackupStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with storage.hold() as hold, pytest.raises(ApiError, match="ENOSPC: No space left on device"):
        hold.put(b"x")
    assert not list(storage.scratch.iterdir())
    assert storage.room.space().used == 0


def test_another_failure_is_told_as_it_is(storage: BackupStorage) -> None:
    storage.scratch.rmdir()
    with storage.hold() as hold, pytest.raises(FileNotFoundError):
        hold.put(b"x")
    assert storage.room.space().used == 0


def test_a_chunk_that_was_cut_short_is_written_again(storage: BackupStorage) -> None:
    make(storage, b"whole")
    (path,) = storage.scratch.parent.glob("chunks/*/*")
    path.write_bytes(b"who")
    with storage.hold() as hold:
        assert hold.put(b"whole")[1]
    assert storage.chunk(digest(b"whole")) == b"whole"
