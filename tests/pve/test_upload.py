"""Uploads: what goes over the wire is what Proxmox VE's own reader of forms understands."""

from pathlib import Path

import httpx
import pytest

from bluelobster.pve.upload import upload_body
from pve.multipart import Upload, parse_upload
from pve.server import UPID, client_of

CONTENT = bytes(range(256)) * 10_000 + b"\r\n--\r\n"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.qcow2"
    path.write_bytes(CONTENT)
    return path


async def test_a_file_arrives_as_it_is(image: Path) -> None:
    understood: list[Upload] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        assert "Transfer-Encoding" not in request.headers
        assert int(request.headers["Content-Length"]) == len(body)
        understood.append(parse_upload(request.headers["Content-Type"], body))
        return httpx.Response(200, json={"data": UPID})

    async with client_of(handle) as pve:
        upid = await pve.upload("local", "import", "tiny-linux.qcow2", image)
    assert str(upid) == UPID
    assert understood == [Upload({"content": "import", "filename": "tiny-linux.qcow2"}, CONTENT)]


async def test_a_file_is_never_in_memory_as_a_whole(image: Path) -> None:
    body = upload_body("iso", "x.iso", image)
    sizes = [len(chunk) async for chunk in body.chunks]
    assert max(sizes) < len(CONTENT)
    assert sum(sizes) == body.length


async def test_an_empty_file(tmp_path: Path) -> None:
    empty = tmp_path / "empty.iso"
    empty.touch()
    body = upload_body("iso", "empty.iso", empty)
    sent = b"".join([chunk async for chunk in body.chunks])
    assert parse_upload(body.content_type, sent).content == b""


async def test_a_missing_file_is_noticed_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        upload_body("iso", "x.iso", tmp_path / "missing")


@pytest.mark.parametrize("filename", ["", 'a"b.iso', "a\r\nb.iso", "../a.iso", "a\\b.iso"])
async def test_a_name_that_does_not_fit_into_the_form(filename: str, image: Path) -> None:
    with pytest.raises(ValueError, match="not a file name"):
        upload_body("iso", filename, image)
