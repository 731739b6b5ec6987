"""The screen of a simulated guest, spoken over VNC (RFB 3.8, RFC 6143): every key that is pressed paints a cell."""

import asyncio
import contextlib
import secrets
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

WIDTH, HEIGHT, CELL = 160, 96, 8
_VERSION = b"RFB 003.008\n"
_VNC_AUTHENTICATION = 2
_LONGEST_TEXT = 1 << 20


@dataclass(frozen=True)
class PixelFormat:
    """How a client wants a pixel; the default is this server's own."""

    bits: int = 32
    big_endian: bool = False
    maxima: tuple[int, int, int] = (255, 255, 255)
    shifts: tuple[int, int, int] = (16, 8, 0)

    @classmethod
    def parse(cls, data: bytes) -> "PixelFormat":
        bits, _, big, _, red, green, blue, *shifts = struct.unpack(">BBBBHHHBBB3x", data)
        return cls(bits, bool(big), (red, green, blue), (shifts[0], shifts[1], shifts[2]))

    def packed(self) -> bytes:
        return struct.pack(">BBBBHHHBBB3x", self.bits, 24, self.big_endian, 1, *self.maxima, *self.shifts)

    def pixel(self, colour: tuple[int, int, int]) -> bytes:
        value = sum(
            (part * highest // 255) << shift
            for part, highest, shift in zip(colour, self.maxima, self.shifts, strict=True)
        )
        return value.to_bytes(self.bits // 8, "big" if self.big_endian else "little")


@dataclass
class Screen:
    """What the guest shows: a cell for each key, from left to right and from top to bottom."""

    keys: list[int] = field(default_factory=list)

    def press(self, key: int) -> None:
        self.keys.append(key)

    def picture(self, form: PixelFormat) -> bytes:
        """All pixels, row by row."""
        background, columns, rows = form.pixel((24, 32, 48)), WIDTH // CELL, HEIGHT // CELL
        cells = [form.pixel(_colour(key)) for key in self.keys[-columns * rows :]]
        cells += [background] * (columns * rows - len(cells))
        lines = (cells[start : start + columns] for start in range(0, len(cells), columns))
        return b"".join(b"".join(cell * CELL for cell in line) * CELL for line in lines)


async def show(
    screen: Screen, name: str, password: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve one viewer until it leaves."""
    with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        if await _admitted(password, reader, writer):
            await reader.readexactly(1)
            title = name.encode()
            size = struct.pack(">HH", WIDTH, HEIGHT)
            writer.write(size + PixelFormat().packed() + struct.pack(">I", len(title)) + title)
            await _Viewer(screen, reader, writer).serve()


async def _admitted(password: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(_VERSION)
    await reader.readexactly(len(_VERSION))
    writer.write(bytes((1, _VNC_AUTHENTICATION)))
    await reader.readexactly(1)
    challenge = secrets.token_bytes(16)
    writer.write(challenge)
    if await reader.readexactly(16) == _response(password, challenge):
        writer.write(struct.pack(">I", 0))
        return True
    reason = b"Authentication failed"
    writer.write(struct.pack(">II", 1, len(reason)) + reason)
    await writer.drain()
    return False


class _Viewer:
    """Somebody who looks: what they wish for, and which state of the screen they have."""

    def __init__(self, screen: Screen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._screen = screen
        self._reader = reader
        self._writer = writer
        self._form = PixelFormat()
        self._seen = -1
        self._waiting = False

    async def serve(self) -> None:
        messages: dict[int, tuple[int, Callable[[bytes], Awaitable[None]]]] = {
            0: (19, self._set_pixel_format),
            2: (3, self._set_encodings),
            3: (9, self._request_update),
            4: (7, self._key),
            5: (5, self._pointer),
            6: (7, self._cut_text),
        }
        while (kind := (await self._reader.readexactly(1))[0]) in messages:
            length, handle = messages[kind]
            await handle(await self._reader.readexactly(length))
            if self._waiting and self._seen != len(self._screen.keys):
                await self._update()

    async def _set_pixel_format(self, body: bytes) -> None:
        self._form, self._seen = PixelFormat.parse(body[3:]), -1

    async def _set_encodings(self, body: bytes) -> None:
        await self._reader.readexactly(4 * int.from_bytes(body[1:], "big"))

    async def _request_update(self, body: bytes) -> None:
        incremental = body[0]
        self._waiting, self._seen = True, self._seen if incremental else -1

    async def _key(self, body: bytes) -> None:
        if body[0]:
            self._screen.press(int.from_bytes(body[3:], "big"))

    async def _pointer(self, body: bytes) -> None:
        """There is nothing to point at."""

    async def _cut_text(self, body: bytes) -> None:
        length = int.from_bytes(body[3:], "big")
        if length > _LONGEST_TEXT:
            raise ConnectionError("a text of unreasonable length")
        await self._reader.readexactly(length)

    async def _update(self) -> None:
        self._waiting, self._seen = False, len(self._screen.keys)
        header = struct.pack(">BxH4Hi", 0, 1, 0, 0, WIDTH, HEIGHT, 0)
        self._writer.write(header + self._screen.picture(self._form))
        await self._writer.drain()


def _colour(key: int) -> tuple[int, int, int]:
    return (64 + key * 37 % 192, 64 + key * 101 % 192, 64 + key * 53 % 192)


def _response(password: str, challenge: bytes) -> bytes:
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode()[:8].ljust(8, b"\0"))
    # Three times the same key makes single DES, which VNC wants; ECB is its way, too.
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(challenge) + encryptor.finalize()
