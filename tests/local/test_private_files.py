"""Files with secrets: whole, their owner's alone, and on the disk before anything depends on them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bluelobster.private_files import write_new_private, write_private


@pytest.mark.parametrize("write", [write_private, write_new_private])
def test_it_is_on_the_disk_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, str], None]
) -> None:
    synced: list[os.stat_result] = []
    monkeypatch.setattr("bluelobster.private_files.os.fsync", lambda descriptor: synced.append(os.fstat(descriptor)))
    path = tmp_path / "secret.key"
    write(path, "text")
    assert path.read_text() == "text\n"
    assert path.stat().st_mode & 0o777 == 0o600
    # Its content first, then the name in the folder.
    assert [each.st_ino for each in synced] == [path.stat().st_ino, tmp_path.stat().st_ino]
    assert synced[0].st_size == len("text\n")
    assert list(tmp_path.iterdir()) == [path]


def test_one_that_is_there_is_replaced_or_kept(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    write_private(path, "one")
    write_private(path, "two")
    with pytest.raises(FileExistsError):
        write_new_private(path, "three")
    assert path.read_text() == "two\n"
