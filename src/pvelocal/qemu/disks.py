"""Disk images: thin qcow2 files over immutable templates.

A disk made from an image keeps a hard link to it (a copy where links are impossible) beside itself, so that the
image may be deleted or replaced while machines still stand on it. The link costs no space and goes with the disk.
"""

import asyncio
import errno
import json
import shutil
import struct
from pathlib import Path
from typing import cast

from pvelocal.hypervisor import HypervisorError
from pvelocal.qemu.command import disk_format
from pvelocal.qemu.programs import require
from pvelocal.qemu.subprocesses import run

_IMAGE_FORMATS = {".qcow2": "qcow2", ".raw": "raw", ".img": "raw"}
_QCOW2_MAGIC = b"QFI\xfb"
# Copying a whole image onto a raw disk.
_COPY_SECONDS = 1800.0


async def create(path: Path, size_bytes: int, image: Path | None) -> None:
    """Make a disk, in place of one that is there, complete or not at all.

    HypervisorError when the image cannot be used, or when a running guest uses the disk that is there.
    """
    (qemu_img,) = require("qemu-img")
    kind = disk_format(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        # Fails when another process has it open for writing.
        await run(qemu_img, "info", "-f", kind, path)
        delete(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        if image is None:
            await run(qemu_img, "create", "-q", "-f", kind, partial, str(size_bytes))
        else:
            await _create_from(qemu_img, image, path, partial, size_bytes)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


async def create_scratch(path: Path, size_bytes: int) -> None:
    """Make a blank qcow2 file, in place of one that is there."""
    (qemu_img,) = require("qemu-img")
    path.unlink(missing_ok=True)
    await run(qemu_img, "create", "-q", "-f", "qcow2", path, str(size_bytes))


async def import_raw(path: Path, content: Path) -> None:
    """Make a disk that stands on nothing else from a raw file, which is used up; complete or not at all."""
    (qemu_img,) = require("qemu-img")
    kind = disk_format(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        command = (qemu_img, "convert", "-t", "writeback", "-f", "raw", "-O", kind, content, partial)
        await run(*command, timeout_seconds=_COPY_SECONDS)
        partial.replace(path)
        content.unlink()
    finally:
        partial.unlink(missing_ok=True)


async def grow(path: Path, size_bytes: int) -> None:
    """Grow the disk of a stopped guest; nothing happens when it has the size already."""
    (qemu_img,) = require("qemu-img")
    if check_growth(path, size_bytes):
        await run(qemu_img, "resize", "-q", "-f", disk_format(path), path, str(size_bytes))


def check_growth(path: Path, size_bytes: int) -> bool:
    """Whether the disk is smaller than that; HypervisorError when it is bigger, for disks never shrink."""
    current = size(path)
    if size_bytes < current:
        raise HypervisorError("shrinking disks is not supported")
    return size_bytes > current


def size(path: Path) -> int:
    """Virtual size in bytes; HypervisorError when there is no such disk."""
    try:
        with path.open("rb") as file:
            header = file.read(32)
        if header[:4] == _QCOW2_MAGIC:
            return int(struct.unpack_from(">Q", header, 24)[0])
        return path.stat().st_size
    except OSError as error:
        raise HypervisorError(f"volume '{path.name}' does not exist") from error


def delete(path: Path) -> None:
    """Remove a disk and its hold on the image that it was made from."""
    path.unlink(missing_ok=True)
    _base_of(path).unlink(missing_ok=True)


async def _create_from(qemu_img: str, image: Path, path: Path, partial: Path, size_bytes: int) -> None:
    kind = await _check_image(qemu_img, image)
    total = str(max(size_bytes, size(image)))
    if disk_format(path) == "raw":
        await run(qemu_img, "convert", "-f", kind, "-O", "raw", image, partial, timeout_seconds=_COPY_SECONDS)
        await run(qemu_img, "resize", "-q", "-f", "raw", partial, total)
        return
    base = _base_of(path)
    base.unlink(missing_ok=True)  # Left by a creation that was cut short.
    await asyncio.to_thread(_link, image, base)
    # By name only: both may be moved together.
    await run(qemu_img, "create", "-q", "-f", "qcow2", "-F", kind, "-b", base.name, partial, total)


async def _check_image(qemu_img: str, image: Path) -> str:
    """Format of an image that was brought from outside; it must not point to other files of this machine."""
    kind = _IMAGE_FORMATS.get(image.suffix)
    if kind is None:
        raise HypervisorError(f"images of format '{image.suffix.removeprefix('.')}' are not supported, use qcow2")
    found = cast("dict[str, object]", json.loads(await run(qemu_img, "info", "-U", "-f", kind, "--output=json", image)))
    details = json.dumps(found.get("format-specific", {}))
    if "backing-filename" in found or '"data-file"' in details:
        raise HypervisorError(f"image '{image.name}' depends on another file")
    return kind


def _base_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.base")


def _link(image: Path, base: Path) -> None:
    try:
        base.hardlink_to(image)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        copy = base.with_suffix(".copy")
        try:
            shutil.copyfile(image, copy)
            copy.replace(base)
        finally:
            copy.unlink(missing_ok=True)
