"""A small checkout with the real wrapper and the real bootstrap, and requirements that need no network."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

REAL = Path(__file__).parents[2]

_PROGRAM = """
import json, sys
try:
    import tiny
except ImportError:
    tiny = None
print(json.dumps({"arguments": sys.argv[1:], "tiny": getattr(tiny, "VERSION", None), "python": sys.executable}))
"""

# In the place of Python's own pip, which takes two seconds of processor time to be read from its wheel. Where there is
# a pipe named `hold`, it goes on when that is closed at its other end.
_INSTALLER = """
import hashlib, pathlib, re, sys, sysconfig, urllib.parse, zipfile
lock = pathlib.Path(sys.argv[-1])
hold = lock.parents[1] / "hold"
if hold.exists():
    hold.read_bytes()
uri, digest = re.fullmatch(r"tiny @ file://(\\S+) --hash=sha256:(\\S+)", lock.read_text().strip()).groups()
wheel = pathlib.Path(urllib.parse.unquote(uri))
if hashlib.sha256(wheel.read_bytes()).hexdigest() != digest:
    sys.exit("not what was locked")
zipfile.ZipFile(wheel).extractall(sysconfig.get_path("purelib"))
"""
_USE_IT = """
import pathlib, sysconfig
sysconfig.get_config_vars()["WHEEL_PKG_DIR"] = str(pathlib.Path(__file__).parents[2] / "installer")
"""


@dataclass
class Checkout:
    """A folder somebody cloned the project into."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def wrapper(self) -> Path:
        return self.root / "bluelobster"

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.wrapper, *arguments],
            cwd=cwd,
            env=clean_environment() | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.wrapper, *arguments],
            env=clean_environment() | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def wheels(self) -> Path:
        """Where a pip is found that installs what there is to install here, and nothing else."""
        return self.root / "installer"

    def install_cheaply(self) -> None:
        """From now on without the real pip."""
        pip = self.wheels / "pip-0-py3-none-any.whl" / "pip"
        pip.mkdir(parents=True)
        (pip / "__init__.py").touch()
        (pip / "__main__.py").write_text(_INSTALLER)
        (self.root / "src" / "bluelobster" / "__init__.py").write_text(_USE_IT)

    def require(self, purpose: str, version: str, *, honest: bool = True) -> None:
        """Locks the package `tiny` in this version; with a wrong hash when not honest."""
        wheel = self.root / f"tiny-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            about = f"tiny-{version}.dist-info"
            for name, content in (
                ("tiny.py", f"VERSION = {version!r}\ndef main(): print(VERSION)\n"),
                (f"{about}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"),
                (f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
                (f"{about}/entry_points.txt", "[console_scripts]\ntiny = tiny:main\n"),
                (f"{about}/RECORD", ""),
            ):
                # Without the time of day: the same version has the same hash whenever it is made.
                archive.writestr(zipfile.ZipInfo(name), content)
        digest = hashlib.sha256(wheel.read_bytes() if honest else b"something else").hexdigest()
        lock = self.root / "requirements" / f"{purpose}.lock"
        lock.write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}\n")


def clone(root: Path) -> Checkout:
    """A checkout that was never run."""
    package = root / "src" / "bluelobster"
    package.mkdir(parents=True)
    (root / "requirements").mkdir()
    shutil.copy(REAL / "bluelobster", root)
    for name in ("__init__.py", "bootstrap.py", "system_packages.py"):
        shutil.copy(REAL / "src" / "bluelobster" / name, package)
    (package / "__main__.py").write_text(_PROGRAM)
    checkout = Checkout(root)
    checkout.require("run", "1")
    checkout.require("dev", "1")
    return checkout


def clean_environment() -> dict[str, str]:
    """What a login shell has; the Python that runs the tests is the first on the PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE", "PYTEST"))}
    base = Path(os.path.realpath(sys.executable)).parent
    return kept | {"PATH": f"{base}:/usr/bin:/bin", "PYENV_ROOT": "/nowhere"}
