"""Files that are either the old or the new version, whenever the process dies."""

import json
import os
from pathlib import Path


class DamagedFile(Exception):
    """A file of ours is not as we wrote it."""


def write_atomically(path: Path, text: str, *, mode: int = 0o600, durable: bool = False) -> None:
    """Replace `path`. With `durable` it also outlives a power failure, at the price of two fsyncs."""
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(path.parent)


def remove_torn(directory: Path) -> None:
    """Remove what a process that died in `write_atomically` left in a directory that nobody else writes to."""
    for torn in directory.glob(".*.tmp"):
        torn.unlink()


def read_json(path: Path) -> object:
    """The JSON document in a file; DamagedFile where it has none."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged: {error}") from error


def sync_directory(directory: Path) -> None:
    """Make sure that the names in a directory outlive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
