"""A bootable disk: GPT, GRUB for BIOS machines, one ext4 partition at the end, which may grow."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pvelocal.images.commands import run
from pvelocal.images.errors import BuildError
from pvelocal.images.libraries import Tree
from pvelocal.images.packages import Archive, Package, chosen

SECTOR = 512
MIB = 1024 * 1024
# One moment for every time stamp, so that the same packages make the same image.
EPOCH = 1_700_000_000
DISK_PACKAGES = frozenset({"e2fsprogs", "fdisk", "grub-common", "grub-pc-bin"})
_BIOS_BOOT_PARTITION = "21686148-6449-6E6F-744E-656564454649"
_LINUX_PARTITION = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
_BOOT_CODE_SIZE = 440
_BOOT_CODE_TARGET = 0x5C
# `linux16` loads where it runs. `linux` makes room for the kernel and what it unpacks elsewhere, and then moves all of
# it byte by byte: without hardware virtualization a quarter of the way to a login.
_GRUB_MODULES = ("biosdisk", "part_gpt", "ext2", "linux16", "boot")


@dataclass(frozen=True)
class Layout:
    """Where things lie. Ids are fixed so that the same packages make the same image."""

    disk_id: str
    root_id: str
    total_bytes: int
    boot_start: int = 1 * MIB
    root_start: int = 2 * MIB

    @property
    def root_bytes(self) -> int:
        """Size of the root partition; the last MiB of the disk holds the second partition table."""
        return self.total_bytes - self.root_start - MIB


@dataclass(frozen=True)
class Boot:
    """What GRUB starts; paths inside the root file system."""

    kernel: str
    initramfs: str
    command_line: str


def disk_tools(archive: Archive, directory: Path) -> Tree:
    """The programs that make a disk, from the archive and not from this machine."""
    wanted = chosen(archive.resolve(DISK_PACKAGES), is_disk_package)
    archive.unpack(archive.fetch(wanted).values(), directory)
    return Tree(directory)


def is_disk_package(package: Package) -> bool:
    """Whether a package is one of the programs, or a library that they may need."""
    return package.name in DISK_PACKAGES or (package.name.startswith("lib") and package.is_native)


def write_file_system(tree: Tree, source: Path, target: Path, layout: Layout, env: Mapping[str, str]) -> None:
    """An ext4 file system with the content of `source`, everything in it root's."""
    run(file_system_command(tree, source, target, layout), env=env)
    _settle(tree, source, target, env)


def file_system_command(tree: Tree, source: Path, target: Path, layout: Layout) -> list[str | Path]:
    """The command that makes an ext4 file system with the content of `source`, owners included."""
    features = "^metadata_csum_seed,^orphan_file"
    extended = f"root_owner=0:0,hash_seed={layout.root_id},lazy_itable_init=1,lazy_journal_init=1"
    options = ["-q", "-F", "-t", "ext4", "-b", "4096", "-i", "32768", "-m", "1", "-J", "size=16", "-L", "root"]
    identity = ["-U", layout.root_id, "-O", features, "-E", extended]
    mke2fs = tree.find("usr/sbin/mke2fs", "sbin/mke2fs")
    return tree.command(mke2fs, *options, *identity, "-d", source, target, f"{layout.root_bytes // 1024}k")


def write_disk(tree: Tree, root: Path, disk: Path, layout: Layout, boot: Boot, work: Path) -> None:
    """Put the root file system on a partitioned disk that boots."""
    with disk.open("wb") as file:
        file.truncate(layout.total_bytes)
    tree.run(tree.find("usr/sbin/sfdisk", "sbin/sfdisk"), "-q", disk, stdin=_partition_script(layout), env={})
    core = _core_image(tree, boot, work)
    if len(core) > layout.root_start - layout.boot_start:
        raise BuildError(f"GRUB's core image is too big ({len(core)} bytes)")
    with disk.open("r+b") as file:
        file.write(_boot_sector(tree, layout))
        file.seek(layout.boot_start)
        file.write(_with_block_list(core, layout.boot_start // SECTOR))
        _copy_sparsely(root, file, layout.root_start)


def _partition_script(layout: Layout) -> str:
    boot_start, root_start = layout.boot_start // SECTOR, layout.root_start // SECTOR
    return (
        f"label: gpt\nlabel-id: {layout.disk_id}\n"
        f"1 : start={boot_start}, size={root_start - boot_start}, type={_BIOS_BOOT_PARTITION}, uuid={layout.disk_id}\n"
        f"2 : start={root_start}, size={layout.root_bytes // SECTOR}, type={_LINUX_PARTITION}, uuid={layout.root_id}\n"
    )


def _core_image(tree: Tree, boot: Boot, work: Path) -> bytes:
    """GRUB with all that it needs built in: it reads no configuration and loads no module at boot."""
    config, core = work / "grub.cfg", work / "core.img"
    kernel = f"linux16 {boot.kernel} {boot.command_line}\ninitrd16 {boot.initramfs}\nboot\n"
    config.write_text(f"set root=(hd0,gpt2)\n{kernel}")
    options: list[str | Path] = [
        "-O",
        "i386-pc",
        "-d",
        tree.root / "usr/lib/grub/i386-pc",
        "-p",
        "(hd0,gpt2)/boot",
        "-c",
        config,
    ]
    tree.run(tree.find("usr/bin/grub-mkimage"), *options, "-o", core, *_GRUB_MODULES, env={})
    return core.read_bytes()


def _boot_sector(tree: Tree, layout: Layout) -> bytes:
    """GRUB's first stage, told where the rest lies (its `kernel_sector`)."""
    code = bytearray((tree.root / "usr/lib/grub/i386-pc/boot.img").read_bytes()[:_BOOT_CODE_SIZE])
    struct.pack_into("<Q", code, _BOOT_CODE_TARGET, layout.boot_start // SECTOR)
    return bytes(code)


def _with_block_list(core: bytes, first_sector: int) -> bytes:
    """GRUB's core image, whose first sector ends in the place and length of what follows it."""
    image = bytearray(core)
    start, length, segment = struct.unpack_from("<QHH", image, SECTOR - 12)
    struct.pack_into("<QHH", image, SECTOR - 12, first_sector + start - 1, length, segment)
    return bytes(image)


def _settle(tree: Tree, source: Path, file_system: Path, env: Mapping[str, str]) -> None:
    """Make everything root's, whoever builds, and give it no time of its own: mke2fs copies both."""
    fields = {"uid": "0", "gid": "0", "ctime": f"@{EPOCH}"}
    lines = (
        f'set_inode_field "/{path.relative_to(source)}" {name} {value}\n'
        for path in sorted(source.rglob("*"))
        for name, value in fields.items()
    )
    debugfs = tree.find("usr/sbin/debugfs", "sbin/debugfs")
    tree.run(debugfs, "-w", "-f", "-", file_system, stdin="".join(lines), env=env)


def _copy_sparsely(source: Path, target: BinaryIO, offset: int) -> None:
    with source.open("rb") as file:
        position = offset
        while chunk := file.read(MIB):
            if chunk.count(0) != len(chunk):
                target.seek(position)
                target.write(chunk)
            position += len(chunk)
