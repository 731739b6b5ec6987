"""The NoCloud drive: an ISO 9660 file system called `cidata` with three files."""

import io
from collections.abc import Mapping
from pathlib import Path

from pycdlib import PyCdlib

from pvelocal.nocloud import VOLUME_ID

_BYTES = 4 << 20


def write_seed(path: Path, documents: Mapping[str, str]) -> None:
    """Write the drive, readable by us alone (it may hold a password's hash), all or nothing."""
    iso = PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=VOLUME_ID)
    for name, text in documents.items():
        # A file without content makes the drive unreadable to Linux.
        content = text.encode() or b"\n"
        short = name.replace("-", "").upper()[:8]
        iso.add_fp(io.BytesIO(content), len(content), iso_path=f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    with partial.open("wb") as file:
        iso.write_fp(file)
        # Its size is fixed while a guest runs.
        file.truncate(max(file.tell(), _BYTES))
    iso.close()
    partial.replace(path)


def rewrite_seed(path: Path, documents: Mapping[str, str]) -> None:
    """Write the drive of a running guest anew: the same file, which is open, with other content."""
    other = path.with_suffix(".new")
    write_seed(other, documents)
    content = other.read_bytes()
    other.unlink()
    with path.open("r+b") as file:
        file.write(content)
