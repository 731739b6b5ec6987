"""A file as the multipart body that Proxmox VE's upload takes."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from bluelobster.pve.transport import Body

_CHUNK = 1 << 20


def upload_body(content: str, filename: str, path: Path) -> Body:
    """The form with `content` first and the file last: the server reads fields only before the file.

    Raises OSError when the file cannot be read and ValueError when `filename` does not fit into a header.
    """
    if any(char in filename for char in '"\r\n\\/') or not filename:
        raise ValueError(f"not a file name: {filename!r}")
    boundary = secrets.token_hex(16)
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="content"\r\n\r\n'
        f"{content}\r\n"
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="filename"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    size = path.stat().st_size
    return Body(
        content_type=f"multipart/form-data; boundary={boundary}",
        length=len(head) + size + len(tail),
        chunks=_chunks(head, path, tail),
    )


async def _chunks(head: bytes, path: Path, tail: bytes) -> AsyncIterator[bytes]:
    yield head
    with _opened(path) as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
    yield tail


def _opened(path: Path) -> BinaryIO:
    """Not in a thread: whoever is cancelled while he waits for it would lose the open file."""
    return path.open("rb")
