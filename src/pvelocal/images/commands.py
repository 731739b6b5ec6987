"""Running programs while an image is built."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pvelocal.images.errors import BuildError


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = 300.0,
) -> str:
    """Standard output of a program; BuildError with its last words when it fails or takes too long."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            cwd=cwd,
            timeout=timeout_seconds,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{_name(command)} did not finish within {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        words = " / ".join((done.stderr or done.stdout).strip().splitlines()[-4:])
        raise BuildError(f"{_name(command)} failed ({done.returncode}): {words}")
    return done.stdout


def place(partial: Path, target: Path) -> None:
    """Put a finished file where it belongs in one step; it may come from another file system."""
    beside = target.with_name(f".{target.name}.partial")
    shutil.copyfile(partial, beside)
    beside.replace(target)


def _name(command: Sequence[str | Path]) -> str:
    return Path(str(command[0])).name
