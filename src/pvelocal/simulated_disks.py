"""Disks of simulated guests: files that say how big they are, then hold what was written, with holes in between."""

import json
import struct
from pathlib import Path

from pvelocal.files import write_atomically
from pvelocal.hypervisor import Extent, HypervisorError
from pvelocal.sparse import data_ranges

_QCOW2_MAGIC = b"QFI\xfb"
_HEADER = 256
_CONTENT = 4096


def write_disk(path: Path, size: int) -> None:
    """Make a blank disk, in place of one that is there."""
    write_atomically(path, _header(size))


def resize_disk(path: Path, size: int) -> None:
    """Give a disk another size."""
    with path.open("r+b") as file:
        file.write(_header(size).encode())


def remove_disk(path: Path) -> None:
    """Remove a disk, if it is there."""
    path.unlink(missing_ok=True)


def virtual_size(path: Path) -> int:
    """Bytes of a disk, of a qcow2 image or of a raw file; HypervisorError when there is none."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
            if head.startswith(_QCOW2_MAGIC) and len(head) >= 32:
                return int(struct.unpack_from(">Q", head, 24)[0])
            if head.startswith(b'{"virtual_size"'):
                return int(json.loads(head.rstrip(b"\0"))["virtual_size"])
            return path.stat().st_size
    except FileNotFoundError:
        raise HypervisorError(f"could not open '{path}': No such file or directory") from None


def write_content(path: Path, offset: int, data: bytes) -> None:
    """Write to a disk; HypervisorError beyond its end."""
    if offset + len(data) > virtual_size(path):
        raise HypervisorError(f"write beyond the end of '{path.name}'")
    with path.open("r+b") as file:
        file.seek(_CONTENT + offset)
        file.write(data)


def read_content(path: Path, offset: int, length: int) -> bytes:
    """Read from a disk; less at its end."""
    length = max(0, min(length, virtual_size(path) - offset))
    with path.open("rb") as file:
        file.seek(_CONTENT + offset)
        return file.read(length).ljust(length, b"\0")


def copy_content(path: Path, target: Path) -> tuple[Extent, ...]:
    """Copy what a disk holds to a file of its own, and tell what lies where in it."""
    extents: list[Extent] = []
    with path.open("rb") as source, target.open("xb") as copy:
        for start, length in data_ranges(path, _CONTENT):
            extents.append(Extent(start - _CONTENT, length, copy.tell()))
            source.seek(start)
            copy.write(source.read(length))
    return tuple(extents)


def fill_disk(path: Path, content: Path) -> None:
    """Make a disk with the content of a raw file."""
    partial = path.with_name(f".{path.name}.partial")
    write_disk(partial, content.stat().st_size)
    with content.open("rb") as source, partial.open("r+b") as disk:
        for start, length in data_ranges(content):
            source.seek(start)
            disk.seek(_CONTENT + start)
            disk.write(source.read(length))
    partial.replace(path)


def _header(size: int) -> str:
    return json.dumps({"virtual_size": size}).ljust(_HEADER)
