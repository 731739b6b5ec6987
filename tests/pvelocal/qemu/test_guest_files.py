"""Where a guest's files lie."""

from pathlib import Path

import pytest

from local_guests import guest, nic
from pvelocal.hypervisor import HypervisorError
from pvelocal.qemu.guest_files import GuestDirectory, GuestRecord


def test_sockets_lie_beside_the_guests(tmp_path: Path) -> None:
    directory = GuestDirectory(tmp_path)
    directory.open()
    assert directory.guest(7).monitor.parent == (tmp_path / "run").resolve()
    assert (tmp_path / "run").stat().st_mode & 0o077 == 0


def test_a_long_directory_gets_short_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = tmp_path / "s"
    short.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    data = tmp_path / ("long" * 30)
    GuestDirectory(data).open()
    sockets = GuestDirectory(data).guest(7).monitor.parent
    assert sockets.parent == short
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "elsewhere"))
    again = GuestDirectory(data)
    again.open()
    assert again.guest(7).monitor.parent == sockets


def test_a_short_directory_that_was_cleaned_away_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    data = tmp_path / ("long" * 30)
    GuestDirectory(data).open()
    (data / "run").resolve().rmdir()
    GuestDirectory(data).open()
    assert (data / "run").is_dir()


def test_somebody_elses_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    data = tmp_path / ("long" * 30)
    GuestDirectory(data).open()
    (data / "run").resolve().chmod(0o777)
    (data / "run").unlink()
    with pytest.raises(HypervisorError, match="open to others"):
        GuestDirectory(data).open()


def test_knows_its_guests(tmp_path: Path) -> None:
    directory = GuestDirectory(tmp_path)
    directory.open()
    for vmid in (12, 7):
        directory.guest(vmid).make()
    assert sorted(files.vmid for files in directory.guests()) == [7, 12]
    directory.guest(12).remove()
    assert [files.vmid for files in directory.guests()] == [7]


def test_a_record_comes_back(tmp_path: Path) -> None:
    directory = GuestDirectory(tmp_path)
    directory.open()
    files = directory.guest(101)
    assert GuestRecord.read(files) is None
    files.make()
    GuestRecord.of(guest(cores=3)).write(files)
    assert GuestRecord.read(files) == GuestRecord(3, 256, (nic(),), True)
