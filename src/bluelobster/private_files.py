"""Files that their owner alone can read, and that outlive a power failure."""

import os
from pathlib import Path

PRIVATE = 0o600


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole. Raises OSError."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    _write(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), text)
    aside.rename(path)
    sync_folder(path.parent)


def write_new_private(path: Path, text: str) -> None:
    """Raises FileExistsError where there is one already, and OSError."""
    _write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), text)
    sync_folder(path.parent)


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in it durable: those that were just given, and those that were taken away."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
