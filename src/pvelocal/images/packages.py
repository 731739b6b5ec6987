"""Debian packages for an image: resolved and fetched by apt in private directories, without root."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pvelocal.images.commands import run
from pvelocal.images.errors import BuildError
from pvelocal.qemu.programs import require

_SYSTEM_LISTS = Path("/var/lib/apt/lists")
_URI_LINE = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+)")


@dataclass(frozen=True)
class Package:
    """One version of a package in the archive; `file` is the name that apt gives its download."""

    name: str
    version: str
    file: str
    size: int

    @property
    def is_native(self) -> bool:
        """Whether it holds machine code."""
        return not self.file.endswith("_all.deb")


class Archive:
    """The package archive that this machine's apt is set up for.

    Uses the machine's package lists when they know all that is asked for, else its own, which `update` fetches.
    """

    def __init__(self, cache: Path) -> None:
        self._root = cache / "apt"
        self._debs = cache / "debs"
        self._apt_get, self._dpkg_deb = require("apt-get", "dpkg-deb")
        for directory in (self._root / "lists" / "partial", self._root / "archives" / "partial", self._debs):
            directory.mkdir(parents=True, exist_ok=True)
        # An empty status file: nothing counts as installed, so that every dependency is named. Whenever it is younger
        # than what apt knows, apt reads all its lists anew.
        status = self._root / "status"
        if not status.exists():
            status.touch()
        self._lists = _SYSTEM_LISTS

    def resolve(self, names: Iterable[str]) -> tuple[Package, ...]:
        """The packages and all that they depend on, sorted by name."""
        wanted = sorted(names)
        try:
            return self._resolve(wanted)
        except BuildError:
            self.update()
        try:
            return self._resolve(wanted)
        except BuildError as error:
            raise BuildError(f"apt does not offer all of {', '.join(wanted)}: {error}") from error

    def update(self) -> None:
        """Fetch package lists of our own. One broken source does not matter as long as the packages are found."""
        self._lists = self._root / "lists"
        run([self._apt_get, *self._options(), "-q", "update", "-o", "APT::Update::Error-Mode=none"])

    def fetch(self, packages: Iterable[Package]) -> dict[str, Path]:
        """Downloads by package name, kept in the cache."""
        packages = tuple(packages)
        paths = {package.name: self._debs / package.file for package in packages}
        absent = [package for package in packages if not _complete(paths[package.name], package.size)]
        if absent:
            names = [f"{package.name}={package.version}" for package in absent]
            run([self._apt_get, *self._options(), "-q", "download", *names], cwd=self._debs)
        for package in absent:
            if not _complete(paths[package.name], package.size):
                raise BuildError(f"apt did not deliver {package.file}")
        return paths

    def unpack(self, debs: Iterable[Path], directory: Path) -> None:
        """Lay the files of packages into a directory; nothing of them is run."""
        for deb in debs:
            run([self._dpkg_deb, "-x", deb, directory])

    def _resolve(self, names: list[str]) -> tuple[Package, ...]:
        command = [self._apt_get, *self._options(), "--print-uris", "-y", "--no-install-recommends", "install", *names]
        found = [match for line in run(command).splitlines() if (match := _URI_LINE.match(line))]
        return tuple(sorted((_package(match["file"], int(match["size"])) for match in found), key=lambda p: p.name))

    def _options(self) -> list[str]:
        settings = {
            "Dir::State": self._root,
            "Dir::State::status": self._root / "status",
            "Dir::State::lists": self._lists,
            "Dir::Cache": self._root,
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Log": self._root,
            "Debug::NoLocking": "1",
            "APT::Sandbox::User": "root",
            "APT::Architecture": "amd64",
            "APT::Get::AllowUnauthenticated": "false",
        }
        return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def chosen(packages: Iterable[Package], keep: Callable[[Package], bool]) -> tuple[Package, ...]:
    """The packages that an image is made of."""
    return tuple(package for package in packages if keep(package))


def _package(file: str, size: int) -> Package:
    name, version, _architecture = file.removesuffix(".deb").split("_")
    return Package(name, unquote(version), file, size)


def _complete(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size
