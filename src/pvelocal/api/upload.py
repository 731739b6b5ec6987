"""Uploading a file to a storage: streamed to disk, and there only when it is whole."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from aiohttp import BodyPartReader, MultipartReader, web

from pvelocal.access import Token
from pvelocal.errors import ApiError, bad_parameters, failed
from pvelocal.faults import Fault
from pvelocal.node import Node
from pvelocal.routing import Call
from pvelocal.storage import Volume
from pvelocal.tasks import Task
from pvelocal.verification import verify

_CHUNK = 1 << 20
_MAX_FIELD = 4096
_CALL = "POST /nodes/{node}/storage/{storage}/upload"


async def upload(
    node: Node, token: Token, request: web.BaseRequest, parameters: Mapping[str, str], faults: Sequence[Fault]
) -> object:
    """Take the fields, then the file, which must come last; the task moves it to its place."""
    if not request.content_type.startswith("multipart/"):
        raise bad_parameters({"filename": "property is missing and it is not optional"})
    fields = dict(parameters)
    reader = await request.multipart()
    part = await _read_fields(reader, fields)
    if part is None:
        raise bad_parameters({"filename": "property is missing and it is not optional"})
    fields["filename"] = part.filename or ""
    call = Call(node, token, verify(_CALL, fields), faults)
    storage = node.storages.get(call.text("storage"))
    if call.text("content") not in storage.content:
        raise failed(f"storage '{storage.name}' does not support '{call.text('content')}' content")
    target = storage.upload_target(call.text("content"), call.text("filename"))
    partial = upload_directory(node) / secrets.token_hex(16)
    with ExitStack() as stack:
        stack.callback(partial.unlink, missing_ok=True)
        await _receive(part, partial)
        stack.pop_all()
    return _place(call, partial, target)


def upload_directory(node: Node) -> Path:
    """Where files lie while they are being received."""
    return node.settings.data / "uploads"


async def _read_fields(reader: MultipartReader, fields: dict[str, str]) -> BodyPartReader | None:
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise ApiError("nested multipart bodies are not supported\n", status=400)
        if part.name == "filename" and part.filename:
            return part
        if part.name is not None:
            fields[part.name] = (await part.read_chunk(_MAX_FIELD)).decode().strip()
            await part.release()
    return None


async def _receive(part: BodyPartReader, path: Path) -> None:
    with path.open("xb") as file:
        while chunk := await part.read_chunk(_CHUNK):
            await asyncio.to_thread(file.write, chunk)
    if not part.at_eof():
        raise ApiError("upload ended early\n", status=400)


def _place(call: Call, partial: Path, target: Volume) -> str:
    algorithm, expected = call.text("checksum-algorithm"), call.text("checksum")

    async def work(task: Task) -> None:
        task.log(f"starting file import from: {partial}")
        task.log(f"target node: {call.node.name}")
        task.log(f"target file: {target.path}")
        with _removed_at_end(partial):
            if algorithm:
                task.log("calculating checksum...")
                found = await asyncio.to_thread(_checksum, partial, algorithm)
                if found != expected.lower():
                    raise failed(f"checksum mismatch: got '{found}' != expect '{expected}'")
            await asyncio.to_thread(_sync_and_move, partial, target.path, durable=call.node.settings.durable)
        task.log("finished file import successfully")

    return call.start("imgcopy", "", work)


@contextmanager
def _removed_at_end(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _checksum(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _sync_and_move(source: Path, target: Path, *, durable: bool) -> None:
    if durable:
        with source.open("rb") as file:
            os.fsync(file.fileno())
    source.replace(target)
