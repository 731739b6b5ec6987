"""Files with holes."""

import os
from collections.abc import Iterator
from pathlib import Path


def data_ranges(path: Path, start: int = 0) -> Iterator[tuple[int, int]]:
    """Where a file has data from `start` on: offsets and lengths."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        while start < end:
            try:
                start = os.lseek(file.fileno(), start, os.SEEK_DATA)
            except OSError:
                return  # ENXIO: nothing but a hole
            hole = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            yield start, hole - start
            start = hole
