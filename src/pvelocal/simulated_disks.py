"""Disks of simulated guests: files that say how big they are."""

import json
import struct
from pathlib import Path

from pvelocal.files import write_atomically
from pvelocal.hypervisor import HypervisorError

_QCOW2_MAGIC = b"QFI\xfb"


def write_disk(path: Path, size: int) -> None:
    """Make a disk, or give it another size."""
    write_atomically(path, json.dumps({"virtual_size": size}))


def remove_disk(path: Path) -> None:
    """Remove a disk, if it is there."""
    path.unlink(missing_ok=True)


def virtual_size(path: Path) -> int:
    """Bytes of a disk, of a qcow2 image or of a raw file; HypervisorError when there is none."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
            if head.startswith(_QCOW2_MAGIC) and len(head) >= 32:
                return int(struct.unpack_from(">Q", head, 24)[0])
            if head.startswith(b'{"virtual_size"'):
                return int(json.loads(head)["virtual_size"])
            return path.stat().st_size
    except FileNotFoundError:
        raise HypervisorError(f"could not open '{path}': No such file or directory") from None
