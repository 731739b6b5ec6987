"""Uploads are streamed to disk, and there only when they are whole."""

import asyncio
import hashlib
import ssl
from pathlib import Path
from typing import Any

import pytest

from pvelocal.storage import Storage

CONTENT = b"\x00not an image, but that is nobody's business\xff" * 50_000


async def send(client: Any, name: str, file: bytes = CONTENT, **fields: str) -> Any:
    named = {field.replace("_", "-"): value for field, value in fields.items()}
    return await client.http.post(
        "/nodes/px1/storage/local/upload", data={"content": "iso", **named}, files={"filename": (name, file)}
    )


def leftovers(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "uploads").iterdir())


async def test_upload(client: Any, tmp_path: Path) -> None:
    response = await send(client, "boot.iso")
    assert await client.end_of(response.json()["data"]) == "OK"
    assert (tmp_path / "template/iso/boot.iso").read_bytes() == CONTENT
    (entry,) = await client.get("/nodes/px1/storage/local/content", content="iso")
    assert (entry["volid"], entry["size"], entry["format"]) == ("local:iso/boot.iso", len(CONTENT), "iso")
    assert leftovers(tmp_path) == []


async def test_upload_replaces(client: Any, tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        await client.end_of((await send(client, "a.iso", content)).json()["data"])
    assert (tmp_path / "template/iso/a.iso").read_bytes() == b"new"


async def test_checksum(client: Any, tmp_path: Path) -> None:
    right, wrong = hashlib.sha256(CONTENT).hexdigest(), "0" * 64
    upids = [
        (await send(client, f"{name}.iso", checksum=digest, checksum_algorithm="sha256")).json()["data"]
        for name, digest in (("right", right), ("wrong", wrong))
    ]
    assert await client.end_of(upids[0]) == "OK"
    assert await client.end_of(upids[1]) == f"checksum mismatch: got '{right}' != expect '{wrong}'"
    assert [path.name for path in (tmp_path / "template/iso").iterdir()] == ["right.iso"]
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "fields", "wrong"),
    [
        ("boot.txt", {}, "filename"),
        ("../../etc/cron.d/x", {}, "filename"),
        (".iso", {}, "filename"),
        ("boot.iso", {"content": "backup"}, "content"),
        ("boot.iso", {"checksum": "00"}, "checksum-algorithm"),
        ("boot.iso", {"nosuch": "1"}, "nosuch"),
    ],
)
async def test_refused(client: Any, tmp_path: Path, name: str, fields: dict[str, str], wrong: str) -> None:
    response = await send(client, name, b"x", **fields)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [wrong]
    assert leftovers(tmp_path) == []


async def test_path_in_name_is_dropped(client: Any, tmp_path: Path) -> None:
    await client.end_of((await send(client, "../../../evil name.iso", b"x")).json()["data"])
    assert [path.name for path in (tmp_path / "template/iso").iterdir()] == ["evil_name.iso"]


async def test_without_file(client: Any) -> None:
    response = await client.call("POST", "/nodes/px1/storage/local/upload", content="iso")
    assert response.json()["errors"] == {"filename": "property is missing and it is not optional"}
    response = await client.http.post("/nodes/px1/storage/local/upload", files={"content": (None, "iso")})
    assert response.json()["errors"] == {"filename": "property is missing and it is not optional"}


def head(client: Any, length: int) -> bytes:
    return (
        "POST /api2/json/nodes/px1/storage/local/upload HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {client.running.token.header}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {length}\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="content"\r\n\r\niso\r\n'
        '--b\r\nContent-Disposition: form-data; name="filename"; filename="part.iso"\r\n\r\n'
    ).encode()


async def raw(client: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context(cafile=str(client.running.node.settings.data / "certificate.pem"))
    port = int(client.running.url.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")


async def test_broken_connection_leaves_nothing(client: Any, tmp_path: Path) -> None:
    _, writer = await raw(client)
    writer.write(head(client, 10_000_000) + bytes(100_000))
    await writer.drain()
    async with asyncio.timeout(5):
        while not leftovers(tmp_path):
            await asyncio.sleep(0.005)
        writer.transport.abort()
        while leftovers(tmp_path):
            await asyncio.sleep(0.005)
    assert [volume.name for volume in Storage("local", tmp_path).volumes()] == ["import/tiny.qcow2"]
    assert await client.get("/nodes/px1/storage/local/content", content="iso") == []


async def test_body_without_end_leaves_nothing(client: Any, tmp_path: Path) -> None:
    start = head(client, 0)
    fields = start.partition(b"\r\n\r\n")[2]
    reader, writer = await raw(client)
    writer.write(head(client, len(fields) + 1000) + bytes(1000))
    status = await reader.readline()
    writer.close()
    assert b" 200 " not in status
    assert leftovers(tmp_path) == []
    assert await client.get("/nodes/px1/storage/local/content", content="iso") == []
