"""Choosing kernel modules with what they depend on."""

import lzma
import re
from collections.abc import Iterable
from pathlib import Path

from pvelocal.images.errors import BuildError

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


class Modules:
    """The modules of one unpacked kernel."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        files = (*directory.rglob("*.ko"), *directory.rglob("*.ko.xz"))
        self._files = {_name_of(file): file for file in files}

    def in_order(self, names: Iterable[str]) -> list[str]:
        """The modules and those that they need, each after the ones it depends on."""
        order: list[str] = []
        for name in names:
            self._add(name, order)
        return order

    def content(self, name: str) -> bytes:
        """A module, uncompressed."""
        file = self._files[name]
        return lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()

    def copy(self, names: Iterable[str], target: Path) -> None:
        """Lay modules into the module directory of an image, in the places where they were."""
        for name in self.in_order(names):
            place = target / self._files[name].relative_to(self._directory).parent / f"{name}.ko"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self.content(name))

    def _add(self, name: str, order: list[str]) -> None:
        if name in order:
            return
        if name not in self._files:
            raise BuildError(f"the kernel has no module {name}")
        found = _DEPENDS.search(self.content(name))
        for needed in found[1].decode().split(",") if found and found[1] else ():
            self._add(needed.replace("-", "_"), order)
        order.append(name)


def _name_of(file: Path) -> str:
    return file.name.split(".")[0].replace("-", "_")
