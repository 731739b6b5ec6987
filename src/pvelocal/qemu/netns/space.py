"""The namespace itself, and commands in it. Nothing of the host's own network is touched."""

import ctypes
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from pvelocal.hypervisor import HypervisorError
from pvelocal.qemu.netns.addresses import CLIENTS
from pvelocal.qemu.programs import find
from pvelocal.qemu.subprocesses import run

PROGRAMS = ("ip", "nft", "nsenter")
"""What must be installed for it."""

_CLONE_NEWNET = 0x40000000
_NAMES = Path("/run/netns")
_SETTINGS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv4/conf/all/send_redirects": 0,
    "net/ipv4/conf/default/send_redirects": 0,
    "net/ipv6/conf/all/disable_ipv6": 1,
    "net/ipv6/conf/default/disable_ipv6": 1,
}
_libc = ctypes.CDLL(None, use_errno=True)


class Space:
    """A network namespace with a name of its own, which outlives the node where it must."""

    def __init__(self, directory: Path) -> None:
        digest = hashlib.sha256(os.fsencode(directory.absolute())).hexdigest()[:10]
        self.name = f"pvelocal-{digest}"

    @property
    def path(self) -> Path:
        """What stands for it in the file system."""
        return _NAMES / self.name

    @property
    def exists(self) -> bool:
        """Whether it is there: made by this node, or by one before it."""
        return self.path.is_mount() or self.path.exists()

    @property
    def prefix(self) -> list[str]:
        """What to put before a command to run it inside."""
        return [str(find("nsenter")), f"--net={self.path}"]

    async def make(self) -> None:
        """Make it; HypervisorError where the system does not allow it."""
        await run(_program("ip"), "netns", "add", self.name)
        try:
            await self.tune(_SETTINGS)
            # Every client address of the host is at home here, so that answers to it come back.
            await self.ip("link set lo up", f"route add local {CLIENTS[1]} dev lo")
        except HypervisorError:
            await self.remove()
            raise

    async def remove(self) -> None:
        """Remove it with everything in it."""
        await run(_program("ip"), "netns", "delete", self.name)

    async def ip(self, *commands: str) -> None:
        """Commands of `ip`, one after the other; the first that fails ends them."""
        await run(_program("ip"), "-n", self.name, "-batch", "-", text="\n".join(commands) + "\n")

    async def tune(self, settings: dict[str, int]) -> None:
        """Kernel settings of the namespace, by path below /proc/sys."""
        script = "\n".join(f"echo {value} >/proc/sys/{name}" for name, value in settings.items())
        await run(*self.prefix, "sh", "-e", "-c", script)

    async def load(self, rules: str) -> None:
        """Rules for nftables, all of them or none."""
        await run(*self.prefix, _program("nft"), "-f", "-", text=rules)

    async def devices(self) -> set[str]:
        """The network devices in it."""
        listing = await run(_program("ip"), "-n", self.name, "-o", "link", "show")
        return {line.split(":")[1].strip().partition("@")[0] for line in listing.splitlines()}

    def enter(self) -> None:
        """Move the calling thread into it, for good; OSError when that fails."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns failed")
        finally:
            os.close(descriptor)


def missing_programs() -> Sequence[str]:
    """Those that are not installed."""
    return [program for program in PROGRAMS if find(program) is None]


def _program(name: str) -> str:
    return find(name) or name
