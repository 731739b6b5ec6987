"""Bring a template's image to the hosts that shall offer it."""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx

from bluelobster.catalog.connections import Connections
from bluelobster.catalog.hosts import Host
from bluelobster.catalog.templates import Template, place_image, save_template
from bluelobster.db.pool import Pool, transaction

BLOCK = 1 << 20
UPLOAD_SECONDS = 3600.0
FORMATS = {b"QFI\xfb": "qcow2"}


class BadImage(Exception):
    """The image is not what it should be."""


async def provide(pool: Pool, connections: Connections, template: Template, image: Path, hosts: Sequence[Host]) -> None:
    """Upload an image where it is missing and offer the template there. Raises BadImage and PveError.

    The file's name on a host carries its checksum, so that a newer image never changes under a machine's feet.
    """
    suffix = image_format(image)
    digest = file_digest(image)
    filename = f"{template.name.lower()}-{digest[:12]}.{suffix}"
    for host in hosts:
        client = await connections.to_host(host)
        volume = f"{host.storage}:import/{filename}"
        present = {each.volid for each in await client.storage_content(host.storage, "import")}
        if volume not in present:
            upid = await client.upload(host.storage, "import", filename, image)
            if upid is not None:
                await client.wait(upid, timeout=UPLOAD_SECONDS)
        async with transaction(pool) as tx:
            await save_template(tx, template)
            await place_image(tx, template.name, host.id, volume)


def image_format(image: Path) -> str:
    """The format, told by the file's first bytes: qcow2, or raw for a disk with a boot sector."""
    with image.open("rb") as file:
        head = file.read(512)
    if head[:4] in FORMATS:
        return FORMATS[head[:4]]
    if head[510:512] == b"\x55\xaa":
        return "raw"
    raise BadImage(f"{image.name} is neither a qcow2 image nor a raw disk with a boot sector")


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@asynccontextmanager
async def downloaded(url: str, sha256: str) -> AsyncIterator[Path]:
    """An image from an https URL, as a file for the time of the block. Raises BadImage when the checksum differs."""
    if not url.startswith("https://"):
        raise BadImage("an image is fetched from an https URL only")
    seen = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="bluelobster-image-") as folder:
        target = Path(folder, "image")
        try:
            async with httpx.AsyncClient(follow_redirects=True, timeout=30) as http, http.stream("GET", url) as answer:
                answer.raise_for_status()
                async with await anyio.open_file(target, "wb") as file:
                    async for block in answer.aiter_bytes(BLOCK):
                        seen.update(block)
                        await file.write(block)
        except httpx.HTTPError as error:
            raise BadImage(f"cannot fetch {url}: {error}") from error
        if seen.hexdigest() != sha256.lower():
            raise BadImage(f"the image's SHA-256 is {seen.hexdigest()}, not {sha256.lower()}")
        yield target
