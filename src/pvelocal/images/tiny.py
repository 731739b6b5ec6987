"""TINY-LINUX: Debian's cloud kernel with BusyBox, Dropbear, sudo and the QEMU guest agent.

Boots in a few seconds without hardware virtualization. Reads NoCloud data as Proxmox VE writes it; the named user
becomes root with `sudo` and without a password, as on cloud images.
"""

import gzip
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pvelocal.images.commands import place, run
from pvelocal.images.disk import EPOCH, MIB, Boot, Layout, write_disk, write_file_system
from pvelocal.images.errors import BuildError
from pvelocal.images.initramfs import Initramfs
from pvelocal.images.kept import fingerprint, kept_image, locked
from pvelocal.images.libraries import Tree
from pvelocal.images.modules import Modules
from pvelocal.images.packages import Archive, Package, chosen
from pvelocal.images.rootfs import populate
from pvelocal.qemu.programs import require

PROGRAMS = ("apt-get", "dpkg-deb", "qemu-img")
GUEST_FILES = Path(__file__).parent / "guest"

_PACKAGES = frozenset(
    {
        "busybox-static",
        "dropbear-bin",
        "e2fsprogs",
        "fdisk",
        "grub-common",
        "grub-pc-bin",
        "libpam-modules",
        "linux-image-cloud-amd64",
        "qemu-guest-agent",
        "sudo",
        "util-linux",
    }
)
_UNUSED_LIBRARIES = ("libperl", "libssl", "libfile", "libtext", "libnumber", "libgdbm", "libklibc")
_EARLY_MODULES = ("virtio_ring", "virtio", "virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod")
_MODULES = (
    *_EARLY_MODULES,
    "button",
    "evdev",
    "fuse",
    "isofs",
    "loop",
    "overlay",
    "sr_mod",
    "tun",
    "virtio_balloon",
    "virtio_console",
    "virtio_net",
    "virtio_rng",
)
_LAYOUT = Layout(
    disk_id="6E1D5E0A-9C4B-4E0C-8F52-0B7B6C1C5A01",
    root_id="2b1f5a3e-3d0c-4a58-9a59-7b0f6f2d4c02",
    total_bytes=1024 * MIB,
)
_COMMAND_LINE = (
    f"root=UUID={_LAYOUT.root_id} quiet loglevel=0 mitigations=off random.trust_cpu=on net.ifnames=0 tsc=reliable "
    "no_timer_check cryptomgr.notests audit=0 nokaslr console=tty0 console=ttyS0"
)


def build(target: Path, cache: Path, progress: Callable[[str], None]) -> None:
    """Write the image as qcow2 to `target`, complete or not at all. The same packages are not built twice."""
    require(*PROGRAMS)
    with locked(cache):
        archive = Archive(cache)
        used = chosen(archive.resolve(_PACKAGES), _is_used)
        key = fingerprint(package.file for package in used)
        place(kept_image(cache, "TINY-LINUX", key, lambda path: _build(path, archive, used, cache, progress)), target)


def _build(
    target: Path, archive: Archive, used: tuple[Package, ...], cache: Path, progress: Callable[[str], None]
) -> None:
    (qemu_img,) = require("qemu-img")
    progress(f"fetching {len(used)} packages, {sum(package.size for package in used) / 1e6:.0f} MB")
    debs = archive.fetch(used)
    with tempfile.TemporaryDirectory(prefix="tiny-", dir=cache) as scratch:
        work = Path(scratch)
        progress("unpacking")
        with _usual_modes():
            archive.unpack(debs.values(), work / "packages")
            _assemble(work, progress)
        progress("writing the image")
        run([qemu_img, "convert", "-f", "raw", "-O", "qcow2", work / "disk.raw", work / "disk.qcow2"])
        place(work / "disk.qcow2", target)


def _assemble(work: Path, progress: Callable[[str], None]) -> None:
    tree, root = Tree(work / "packages"), work / "root"
    version = _kernel_version(tree.root)
    modules = Modules(tree.find(f"usr/lib/modules/{version}", f"lib/modules/{version}"))
    progress(f"assembling, kernel {version}")
    populate(root, tree, GUEST_FILES, version)
    modules.copy(_MODULES, root / "usr/lib/modules" / version)
    run([root / "usr/bin/busybox", "depmod", "-b", root, version])
    shutil.copy(tree.root / "boot" / f"vmlinuz-{version}", root / "boot/vmlinuz")
    (root / "boot/initramfs").write_bytes(_initramfs(modules, root / "usr/bin/busybox"))
    _stamp(root)
    progress("making the disk")
    env = {
        "E2FSPROGS_FAKE_TIME": str(EPOCH),
        "SOURCE_DATEEPOCH": str(EPOCH),
        "MKE2FS_CONFIG": str(tree.root / "etc/mke2fs.conf"),
    }
    write_file_system(tree, root, work / "root.ext4", _LAYOUT, env)
    boot = Boot("/boot/vmlinuz", "/boot/initramfs", _COMMAND_LINE)
    write_disk(tree, work / "root.ext4", work / "disk.raw", _LAYOUT, boot, work)


def _initramfs(modules: Modules, busybox: Path) -> bytes:
    early = Initramfs()
    for directory in ("bin", "dev", "modules", "proc", "root", "run", "sys"):
        early.directory(directory)
    early.character_device("dev/console", 5, 1)
    early.file("bin/busybox", busybox.read_bytes(), 0o755)
    early.file("init", (GUEST_FILES / "initramfs-init").read_bytes(), 0o755)
    order = modules.in_order(_EARLY_MODULES)
    for name in order:
        early.file(f"modules/{name}.ko", modules.content(name))
    early.file("modules/order", "".join(f"{name}.ko\n" for name in order).encode())
    packed = io.BytesIO()
    # Not `gzip.compress`: what that writes into the header depends on the version of Python.
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, filename="", mtime=0) as file:
        file.write(early.archive())
    return packed.getvalue()


def _is_used(package: Package) -> bool:
    if package.name.startswith("linux-image-"):
        return package.name not in _PACKAGES
    if package.name.startswith("lib"):
        return package.is_native and not package.name.startswith(_UNUSED_LIBRARIES)
    return package.name in _PACKAGES


def _kernel_version(tree: Path) -> str:
    kernels = sorted(path.name.removeprefix("vmlinuz-") for path in (tree / "boot").glob("vmlinuz-*"))
    if len(kernels) != 1:
        raise BuildError(f"expected one kernel in the packages, found {len(kernels)}")
    return kernels[0]


def _stamp(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


@contextmanager
def _usual_modes() -> Iterator[None]:
    """What is made is for everybody to read, however private the builder likes it."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)
