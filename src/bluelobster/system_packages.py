"""Programs that come from the operating system: which are missing, and their installation through apt where we may.

Uses the standard library only: it also runs before our own packages are installed.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_LISTS = Path("/var/lib/apt/lists")
_LOCK_SECONDS = 180
_LOCK_POLL_SECONDS = 2.0
_INSTALL_SECONDS = 900
_LINES_SHOWN = 8
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True)
class SystemPackage:
    """A Debian package, and a program by which to see that it is there; or any file of it, by its whole path."""

    name: str
    program: str


SSH = (SystemPackage("openssh-client", "ssh"), SystemPackage("openssh-client", "ssh-keygen"))
BOOTABLE_ISO = (SystemPackage("grub-rescue-pc", "/usr/lib/grub-rescue/grub-rescue-cdrom.iso"),)
UEFI = (SystemPackage("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd"),)
CONSOLE_TESTS = (SystemPackage("chromium", "chromium"), SystemPackage("vncsnapshot", "vncsnapshot"))
QEMU = (SystemPackage("qemu-system-x86", "qemu-system-x86_64"), SystemPackage("qemu-utils", "qemu-img"))
# Real filtering of guests' packets, which root alone can have.
FILTERING = (
    SystemPackage("iproute2", "ip"),
    SystemPackage("nftables", "nft"),
    SystemPackage("slirp4netns", "slirp4netns"),
)

# The server's program, without the service that its own package starts: it is a server when it is called so.
REDIS = (SystemPackage("redis-tools", "redis-check-rdb"),)


class CannotInstall(Exception):
    """Packages are missing and could not be installed; the text says why, and `command` is what somebody may run."""

    def __init__(self, why: str, command: str) -> None:
        super().__init__(f"{why}. Run: {command}" if command else why)
        self.command = command


def missing_packages(packages: Iterable[SystemPackage]) -> tuple[SystemPackage, ...]:
    """Those whose program is not on the PATH, nor in a folder for system programs."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
    return tuple(package for package in packages if not _is_there(package.program, path))


def _is_there(program: str, path: str) -> bool:
    return Path(program).is_file() if program.startswith("/") else shutil.which(program, path=path) is not None


def ensure_packages(packages: Iterable[SystemPackage], say: Callable[[str], None]) -> None:
    """Installs what is missing, if anything. Blocks for up to some minutes. Raises CannotInstall."""
    missing = missing_packages(packages)
    if missing:
        install_packages([package.name for package in missing], say)
    if still := missing_packages(missing):
        raise CannotInstall(f"{', '.join(package.program for package in still)} not found after the installation", "")


def install_packages(names: Sequence[str], say: Callable[[str], None]) -> None:
    """Installs Debian packages by name. Raises CannotInstall."""
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    if shutil.which("apt-get") is None:
        raise CannotInstall(f"{' and '.join(names)} (Debian's names) not installed, and this machine has no apt", "")
    as_root = _as_root()
    listless = not any(_LISTS.glob("*_Packages*"))
    by_hand = " && ".join(
        f"sudo {' '.join(step)}" for step in ([["apt-get", "update"]] if listless else []) + [install]
    )
    if as_root is None:
        raise CannotInstall(f"{' and '.join(names)} not installed, and installing needs root", by_hand)
    say(f"installing {' '.join(names)} with apt (one time)")
    failure = _apt([*as_root, "apt-get", "update"]) if listless else None
    failure = failure or _apt([*as_root, *install])
    if failure and not listless:
        # Lists that are out of date name files that are no longer there.
        failure = _apt([*as_root, "apt-get", "update"]) or _apt([*as_root, *install])
    if failure:
        raise CannotInstall(f"apt could not install {' and '.join(names)}:\n{failure}\n", by_hand)


def _as_root() -> list[str] | None:
    """What to put before a command so that root runs it without a question, or None when that cannot be."""
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "LC_ALL=C"]
    if os.geteuid() == 0:
        return quiet
    if shutil.which("sudo") is None:
        return None
    allowed = subprocess.run(["sudo", "--non-interactive", "true"], capture_output=True)
    return ["sudo", "--non-interactive", *quiet] if allowed.returncode == 0 else None


def _apt(command: Sequence[str]) -> str | None:
    """Runs apt, waiting a bounded time for others who use it. Returns the end of its output if it failed."""
    options = ["--quiet", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}", "-o", "Dpkg::Options::=--force-confold"]
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            answer = subprocess.run(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_INSTALL_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"not done after {_INSTALL_SECONDS} s"
        if answer.returncode == 0:
            return None
        if "Could not get lock" not in answer.stdout or time.monotonic() > deadline:
            return "\n".join(answer.stdout.splitlines()[-_LINES_SHOWN:]) or f"status {answer.returncode}"
        time.sleep(_LOCK_POLL_SECONDS)
