"""NoCloud images that somebody else made and attached: how they are known, and what is in them."""

import io
from pathlib import Path

from pycdlib import PyCdlib

VOLUME_ID = "cidata"
# Where an ISO 9660 file system has its name: in sector 16 (ECMA-119, 8.4.7).
_VOLUME_ID_AT = 16 * 2048 + 40


def is_nocloud(path: Path) -> bool:
    """Whether an image is one, by its name."""
    try:
        with path.open("rb") as file:
            file.seek(_VOLUME_ID_AT)
            return file.read(32).strip().lower() == VOLUME_ID.encode()
    except OSError:
        return False


def read_nocloud(path: Path) -> dict[str, str]:
    """The files in an image, by name."""
    iso = PyCdlib()
    iso.open(str(path))
    try:
        return dict(_files(iso))
    finally:
        iso.close()


def _files(iso: PyCdlib) -> list[tuple[str, str]]:
    files = []
    for child in iso.list_children(joliet_path="/"):
        if child.is_file():
            name = child.file_identifier().decode("utf-16-be")
            content = io.BytesIO()
            iso.get_file_from_iso_fp(content, joliet_path=f"/{name}")
            files.append((name, content.getvalue().decode(errors="replace")))
    return files
