"""The outside programs that guests and images need, and how to get them."""

import os
import shutil
from collections.abc import Iterable

# Ordinary users often lack the directories of the administrator's programs.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

_PACKAGE_OF = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "fakeroot": "fakeroot",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "newuidmap": "uidmap",
    "nft": "nftables",
    "nsenter": "util-linux",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "slirp4netns": "slirp4netns",
}


class ProgramMissing(Exception):
    """Programs are not installed; the text holds the command that installs them."""

    def __init__(self, programs: tuple[str, ...]) -> None:
        self.programs = programs
        self.packages = tuple(dict.fromkeys(_PACKAGE_OF[program] for program in programs))
        names = ", ".join(programs)
        super().__init__(f"not installed: {names}; install with: {apt_command(self.packages)}")


def apt_command(packages: Iterable[str]) -> str:
    """The command that installs Debian packages, for people to paste."""
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"


def find(program: str) -> str | None:
    """Absolute path of a program, or None."""
    return shutil.which(program, path=_SEARCH_PATH)


def require(*programs: str) -> tuple[str, ...]:
    """Absolute paths of programs, in order; ProgramMissing names all that are absent."""
    found = {program: find(program) for program in programs}
    missing = tuple(program for program, path in found.items() if path is None)
    if missing:
        raise ProgramMissing(missing)
    return tuple(path for path in found.values() if path is not None)


def packages_of(programs: Iterable[str]) -> tuple[str, ...]:
    """The Debian packages that hold these programs."""
    return tuple(dict.fromkeys(_PACKAGE_OF[program] for program in programs))
