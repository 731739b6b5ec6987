"""DEBIAN-12: Debian with cloud-init, OpenSSH and the QEMU guest agent, made by mmdebstrap.

Differs from Debian's own cloud images in what boot time demands: systemd-networkd without waiting for it, no other
data source than NoCloud, SSH host keys of two kinds, no automatic upgrades.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from pvelocal.images.commands import place, run
from pvelocal.images.disk import MIB, Boot, Layout, disk_tools, file_system_command, write_disk
from pvelocal.images.kept import locked
from pvelocal.images.libraries import Tree
from pvelocal.images.packages import Archive
from pvelocal.qemu.programs import require

_ROOTLESS = () if os.geteuid() == 0 else ("fakeroot", "newuidmap")
PROGRAMS = ("apt-get", "dpkg-deb", "mmdebstrap", "qemu-img", *_ROOTLESS)

_SUITE = "bookworm"
_PACKAGES = (
    "ca-certificates",
    "cloud-guest-utils",
    "cloud-init",
    "dbus",
    "e2fsprogs",
    "fdisk",
    "iproute2",
    "iputils-ping",
    "less",
    "linux-image-cloud-amd64",
    "nano",
    "openssh-server",
    "pciutils",
    "procps",
    "qemu-guest-agent",
    "sudo",
    "systemd-resolved",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
)
_LAYOUT = Layout(
    disk_id="6E1D5E0A-9C4B-4E0C-8F52-0B7B6C1C5B01",
    root_id="2b1f5a3e-3d0c-4a58-9a59-7b0f6f2d4c12",
    total_bytes=2048 * MIB,
)
# The links are Debian's own; they follow the newest kernel that is installed.
_BOOT = Boot("/vmlinuz", "/initrd.img", f"root=UUID={_LAYOUT.root_id} ro quiet console=tty0 console=ttyS0")
_CUSTOMIZE = Path(__file__).parent / "guest" / "debian-customize"
_SECONDS = 1800.0


def build(target: Path, cache: Path, progress: Callable[[str], None]) -> None:
    """Write the image as qcow2 to `target`, complete or not at all."""
    (qemu_img, mmdebstrap, *fakeroot) = require("qemu-img", "mmdebstrap", *_ROOTLESS[:1])
    with locked(cache), tempfile.TemporaryDirectory(prefix="debian-", dir=cache) as scratch:
        work = Path(scratch)
        archive = Archive(cache)
        tree = disk_tools(archive, work / "packages")
        progress(f"installing Debian {_SUITE} with {len(_PACKAGES)} packages (a minute or more)")
        run(_bootstrap(mmdebstrap, work / "root.tar"), env={"ROOT_ID": _LAYOUT.root_id}, timeout_seconds=_SECONDS)
        progress("making the disk")
        _write_file_system(tree, fakeroot, work)
        write_disk(tree, work / "root.ext4", work / "disk.raw", _LAYOUT, _BOOT, work)
        progress("writing the image")
        run([qemu_img, "convert", "-c", "-f", "raw", "-O", "qcow2", work / "disk.raw", work / "disk.qcow2"])
        place(work / "disk.qcow2", target)


def _bootstrap(mmdebstrap: str, target: Path) -> list[str | Path]:
    options = ["--quiet", "--variant=minbase", "--architectures=amd64", f"--include={','.join(_PACKAGES)}"]
    # The text, not the file: in a user namespace the hook may not read our directories.
    return [mmdebstrap, *options, f"--customize-hook={_CUSTOMIZE.read_text()}", _SUITE, target]


def _write_file_system(tree: Tree, fakeroot: list[str], work: Path) -> None:
    """Unpack and make the file system in one go: as an ordinary user, fakeroot must remember the owners in between."""
    root, file_system = work / "root", work / "root.ext4"
    command = file_system_command(tree, root, file_system, _LAYOUT)
    script = 'mkdir "$1" && tar -x --numeric-owner -f "$2" -C "$1" && shift 2 && exec "$@"'
    run([*fakeroot, "sh", "-c", script, "sh", root, work / "root.tar", *command], timeout_seconds=_SECONDS)
