"""An image on its way: counted while it comes, judged by its first sectors, kept in a file."""

import asyncio
import os
from typing import BinaryIO

from bluelobster.isos.errors import CannotFetch, Interrupted, NoSpace
from bluelobster.isos.rules import IsoRules

# The first volume descriptor is sector 16 (ECMA-119, 7.2.1; ECMA-167, 2/8.3.1): what it begins with says what it is.
DESCRIPTOR = 16 * 2048
IDENTIFIERS = (b"CD001", b"BEA01")
JUDGED = DESCRIPTOR + 1 + 5
GIB = 1 << 30
# What is left to the rest of the machine, and how often to look whether it still is.
KEPT_FREE = GIB
LOOK_EVERY = 64 << 20


class Spool:
    """Takes an image block by block into `file`, from its beginning. `length` is what its source says of it."""

    def __init__(self, file: BinaryIO, rules: IsoRules, length: int | None) -> None:
        self._file = file
        self._most = rules.max_bytes
        self._length = length
        self._bytes = 0
        self._looked_at = 0
        self._head = bytearray()
        self._refuse_too_much(length or 0)
        self._must_fit(length or 0)
        file.seek(0)
        file.truncate()

    async def take(self, block: bytes) -> None:
        """Raises CannotFetch when it gets too big or is no image, and NoSpace."""
        self._bytes += len(block)
        self._refuse_too_much(self._bytes)
        if len(self._head) < JUDGED:
            self._head += block[: JUDGED - len(self._head)]
            if len(self._head) == JUDGED:
                self._must_be_an_image()
        if self._bytes - self._looked_at >= LOOK_EVERY:
            self._looked_at = self._bytes
            self._must_fit(0)
        try:
            await asyncio.to_thread(self._file.write, block)
        except OSError as error:
            raise NoSpace(str(error)) from error

    async def finish(self) -> None:
        """All of it is there. Raises CannotFetch when it is no image, Interrupted when something is missing."""
        self._must_be_an_image()
        if self._length is not None and self._bytes != self._length:
            raise Interrupted("the connection ended early")
        await asyncio.to_thread(self._file.flush)

    def _refuse_too_much(self, size: int) -> None:
        if size > self._most:
            raise CannotFetch(f"it is bigger than {self._most / GIB:g} GB")

    def _must_be_an_image(self) -> None:
        if bytes(self._head[DESCRIPTOR + 1 :]) not in IDENTIFIERS:
            raise CannotFetch("what the address gives is not an ISO image")

    def _must_fit(self, size: int) -> None:
        """The other images that are being fetched have their room as well: looked at again as they grow."""
        disk = os.fstatvfs(self._file.fileno())
        if disk.f_bavail * disk.f_frsize - size < KEPT_FREE:
            raise NoSpace(f"{size} bytes more do not fit beside the {KEPT_FREE} that are kept free")
