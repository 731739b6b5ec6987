"""Programs of an unpacked Debian tree: running them in place, and copying them with the libraries they need."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from pvelocal.images.commands import run
from pvelocal.images.errors import BuildError

_LIBRARY_DIRECTORY = "usr/lib/x86_64-linux-gnu"
_LOADER = "lib64/ld-linux-x86-64.so.2"


class Tree:
    """A directory with unpacked packages, whose programs run on this machine with the tree's own libraries."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._directories = (root / "lib/x86_64-linux-gnu", root / _LIBRARY_DIRECTORY)
        self._extra = (root / "usr/libexec/sudo",)

    def find(self, *candidates: str) -> Path:
        """The first of several places that exists (they moved when /usr was merged)."""
        for candidate in candidates:
            path = self.root / candidate
            if path.exists():
                return path
        raise BuildError(f"{candidates[0]} is not in the packages")

    def run(self, program: Path, *arguments: str | Path, stdin: str | None = None, env: Mapping[str, str]) -> str:
        """Standard output of a program of the tree."""
        return run(self.command(program, *arguments), stdin=stdin, env=env)

    def command(self, program: Path, *arguments: str | Path) -> list[str | Path]:
        """The words that run a program of the tree."""
        return [*self._loader(), program, *arguments]

    def copy_programs(self, programs: Mapping[str, Path], target: Path) -> None:
        """Copy programs and loadable modules (by their path in the target) with every library that they need."""
        needed: set[Path] = set()
        for place, program in programs.items():
            _copy(program, target / place)
            needed |= self._libraries_of(program)
        for library in needed:
            if library.parent in self._extra:
                continue
            _copy(library, target / _LIBRARY_DIRECTORY / library.name)
        _copy(self._resolved_loader(), target / _LIBRARY_DIRECTORY / Path(_LOADER).name)
        link = target / _LOADER
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"/{_LIBRARY_DIRECTORY}/{Path(_LOADER).name}")

    def _libraries_of(self, program: Path) -> set[Path]:
        listing = run([*self._loader(), "--list", program])
        found: set[Path] = set()
        for line in listing.splitlines():
            name, arrow, rest = line.strip().partition(" => ")
            if arrow and rest.startswith("not found"):
                raise BuildError(f"{program.name} needs {name}, which is not in the packages")
            if arrow and not name.startswith("/"):
                found.add(Path(rest.split(" (")[0]))
        return found

    def _loader(self) -> list[str | Path]:
        path = ":".join(str(directory) for directory in (*self._directories, *self._extra))
        return [self._resolved_loader(), "--library-path", path]

    def _resolved_loader(self) -> Path:
        return self.find("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", f"{_LIBRARY_DIRECTORY}/ld-linux-x86-64.so.2")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source.resolve(), target)
