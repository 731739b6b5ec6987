"""The images that can be built here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pvelocal.images import debian, tiny
from pvelocal.qemu.programs import find, packages_of

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """An image by the name that templates use. `programs` must be installed to build it."""

    name: str
    description: str
    programs: tuple[str, ...]
    build: Callable[[Path, Path, Progress], None]
    """Writes the image to the first path, complete or not at all, keeping downloads below the second; BuildError."""

    @property
    def missing_packages(self) -> tuple[str, ...]:
        """The Debian packages to install before it can be built."""
        return packages_of(program for program in self.programs if find(program) is None)


IMAGES = {
    image.name: image
    for image in (
        Image("TINY-LINUX", "Debian cloud kernel with BusyBox; boots in seconds", tiny.PROGRAMS, tiny.build),
        Image("DEBIAN-12", "Debian 12 with cloud-init, OpenSSH and the guest agent", debian.PROGRAMS, debian.build),
    )
}
