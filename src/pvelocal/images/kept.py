"""Finished images in the cache, found again by what they were made of."""

import fcntl
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SOURCE = Path(__file__).parent


def fingerprint(parts: Iterable[str]) -> str:
    """A name for an image made of these parts by this version of the builder."""
    digest = hashlib.sha256()
    for file in sorted(path for path in _SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def kept_image(cache: Path, name: str, key: str, build: Callable[[Path], None]) -> Path:
    """The image from the cache, built first when it is not there; earlier ones of that name are removed."""
    directory = cache / "images"
    directory.mkdir(parents=True, exist_ok=True)
    image = directory / f"{name}-{key}.qcow2"
    if not image.exists():
        build(image)
        for other in directory.glob(f"{name}-*.qcow2"):
            if other != image:
                other.unlink(missing_ok=True)
    return image


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Alone in the cache: apt's directories and the images serve one build at a time."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
