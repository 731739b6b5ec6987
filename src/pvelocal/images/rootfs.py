"""The root directory of TINY-LINUX."""

import shutil
from pathlib import Path

from pvelocal.images.commands import run
from pvelocal.images.libraries import Tree

_DIRECTORIES = {
    "boot": 0o755,
    "dev": 0o755,
    "etc/acpi/PWRF": 0o755,
    "etc/dropbear": 0o700,
    "etc/pam.d": 0o755,
    "home": 0o755,
    "mnt": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr/bin": 0o755,
    "usr/lib/tiny": 0o755,
    "usr/share/udhcpc": 0o755,
    "var/lib/tiny": 0o755,
    "var/log": 0o755,
}
_LINKS = {
    "bin": "usr/bin",
    "lib": "usr/lib",
    "sbin": "usr/bin",
    "usr/sbin": "bin",
    "var/run": "/run",
    "etc/mtab": "/proc/self/mounts",
}
_GUEST_FILES = {
    "agent": ("usr/lib/tiny/agent", 0o755),
    "boot": ("usr/lib/tiny/boot", 0o755),
    "cloud-data": ("usr/lib/tiny/cloud-data", 0o755),
    "dhcp": ("usr/share/udhcpc/default.script", 0o755),
    "grow-root": ("usr/lib/tiny/grow-root", 0o755),
    "host-keys": ("usr/lib/tiny/host-keys", 0o755),
    "inittab": ("etc/inittab", 0o644),
    "lspci": ("usr/bin/lspci", 0o755),
    "motd": ("etc/motd", 0o644),
    "new-card": ("usr/lib/tiny/new-card", 0o755),
    "pam-sudo": ("etc/pam.d/sudo", 0o644),
    "power-button": ("usr/lib/tiny/power-button", 0o755),
    "power-off": ("etc/acpi/PWRF/00000080", 0o755),
    "profile": ("etc/profile", 0o644),
    "shutdown": ("usr/bin/shutdown", 0o755),
    "user-script": ("usr/lib/tiny/user-script", 0o755),
    "sudoers": ("etc/sudoers", 0o440),
}
_TEXTS = {
    "etc/group": "root:x:0:\ntty:x:5:\nsudo:x:27:\nnogroup:x:65534:\n",
    "etc/hostname": "tiny-linux\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/resolv.conf": "",
    "etc/shells": "/bin/sh\n",
}
_PROGRAMS = {
    "usr/bin/dropbear": ("usr/sbin/dropbear",),
    "usr/bin/dropbearkey": ("usr/bin/dropbearkey",),
    "usr/bin/qemu-ga": ("usr/sbin/qemu-ga",),
    "usr/bin/resize2fs": ("usr/sbin/resize2fs", "sbin/resize2fs"),
    "usr/bin/resizepart": ("usr/sbin/resizepart", "usr/bin/resizepart"),
    "usr/bin/sfdisk": ("usr/sbin/sfdisk", "sbin/sfdisk"),
    "usr/bin/sudo": ("usr/bin/sudo",),
}
_PAM_DIRECTORY = "x86_64-linux-gnu/security"


def populate(root: Path, tree: Tree, guest_files: Path, kernel_version: str) -> None:
    """Lay out everything except the kernel, its modules and the early user space."""
    for name, mode in _DIRECTORIES.items():
        directory = root / name
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(mode)
    for link, aim in _LINKS.items():
        (root / link).symlink_to(aim)
    _write_texts(root, kernel_version)
    _add_busybox(root, tree)
    _add_programs(root, tree)
    for name, (place, mode) in _GUEST_FILES.items():
        (root / place).unlink(missing_ok=True)
        shutil.copyfile(guest_files / name, root / place)
        (root / place).chmod(mode)


def _write_texts(root: Path, kernel_version: str) -> None:
    for name, text in _TEXTS.items():
        (root / name).write_text(text)
    shadow = root / "etc/shadow"
    shadow.write_text("root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n")
    shadow.chmod(0o600)
    (root / "etc/os-release").write_text(
        'NAME="TINY-LINUX"\n'
        'PRETTY_NAME="TINY-LINUX (Debian cloud kernel and BusyBox)"\n'
        "ID=tiny-linux\nID_LIKE=debian\n"
        f'VERSION_ID="{kernel_version}"\nVERSION="{kernel_version}"\n'
    )


def _add_busybox(root: Path, tree: Tree) -> None:
    busybox = root / "usr/bin/busybox"
    shutil.copyfile(tree.find("usr/bin/busybox", "bin/busybox"), busybox)
    busybox.chmod(0o755)
    for applet in run([busybox, "--list"]).split():
        if applet != "busybox":
            (root / "usr/bin" / applet).symlink_to("busybox")


def _add_programs(root: Path, tree: Tree) -> None:
    pam = f"{tree.find(f'usr/lib/{_PAM_DIRECTORY}', f'lib/{_PAM_DIRECTORY}').relative_to(tree.root)}"
    places = {place: tree.find(*candidates) for place, candidates in _PROGRAMS.items()}
    places["usr/libexec/sudo/sudoers.so"] = tree.find("usr/libexec/sudo/sudoers.so")
    places["usr/libexec/sudo/libsudo_util.so.0"] = tree.find("usr/libexec/sudo/libsudo_util.so.0")
    for module in ("pam_deny.so", "pam_permit.so"):
        places[f"usr/lib/{_PAM_DIRECTORY}/{module}"] = tree.find(f"{pam}/{module}")
    for place in places:
        (root / place).unlink(missing_ok=True)
    tree.copy_programs(places, root)
    (root / "usr/bin/sudo").chmod(0o4755)
