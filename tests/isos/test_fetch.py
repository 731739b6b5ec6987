"""Fetching: to the address that was checked and no other, and never too much."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bluelobster.isos import fetch, spool
from bluelobster.isos.addresses import Resolve
from bluelobster.isos.errors import Busy, CannotFetch, NoSpace
from bluelobster.isos.fetch import Fetcher
from bluelobster.isos.rules import IsoRules
from cloud import eventually
from iso_source import IMAGE, Source, announced, endless, redirect, running_source, silent, whole
from pve.tls_server import make_certificate

ACCOUNT = UUID(int=1)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.01)


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    async with running_source() as running:
        running.giving["/a.iso"] = whole()
        yield running


def rules(folder: Path, **changes: Any) -> IsoRules:
    return IsoRules(**{"allowed_networks": "127.0.0.1/32", "folder": folder, **changes})


def resolver(*answers: str) -> Resolve:
    """Every name is the next of these addresses; the last one from then on."""
    left = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        return [left.pop(0) if len(left) > 1 else left[0]]

    return resolve


async def fetched(fetcher: Fetcher, url: str) -> bytes:
    async with fetcher.fetched(url, ACCOUNT) as path:
        return path.read_bytes()


async def test_an_image_arrives_as_it_is_and_leaves_nothing(source: Source, tmp_path: Path) -> None:
    assert await fetched(Fetcher(rules(tmp_path)), source.url("/a.iso?token=x")) == IMAGE
    assert list(tmp_path.iterdir()) == []
    (head,) = source.asked
    assert head.startswith("GET /a.iso?token=x HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{source.port}\r\n" in head.lower()


async def test_the_connection_goes_to_the_address_that_was_checked(source: Source, tmp_path: Path) -> None:
    """A name that means something else at the next look changes nothing: nobody looks again."""
    fetcher = Fetcher(rules(tmp_path), resolver("127.0.0.1", "10.0.0.1"))
    assert await fetched(fetcher, source.url("/a.iso", "images.test")) == IMAGE
    assert f"host: images.test:{source.port}\r\n" in source.asked[0].lower()


async def test_a_name_of_a_private_address_is_never_connected_to(source: Source, tmp_path: Path) -> None:
    for address in ("127.0.0.2", "10.0.0.1", "::ffff:127.0.0.2", "169.254.169.254"):
        with pytest.raises(CannotFetch, match=r"images\.test leads to an address that is not public"):
            await fetched(Fetcher(rules(tmp_path), resolver(address)), source.url("/a.iso", "images.test"))
    assert source.asked == []


async def test_redirects_are_followed(source: Source, tmp_path: Path) -> None:
    source.giving |= {"/1": redirect("2"), "/2": redirect(f"//127.0.0.1:{source.port}/3")}
    source.giving |= {"/3": redirect(source.url("/4")), "/4": redirect("/5"), "/5": redirect("/a.iso")}
    assert await fetched(Fetcher(rules(tmp_path)), source.url("/1")) == IMAGE
    source.giving["/0"] = redirect("/1")
    with pytest.raises(CannotFetch, match="more than 5 times"):
        await fetched(Fetcher(rules(tmp_path)), source.url("/0"))


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2/a.iso",
        "http://localhost.:1/a.iso",
        "http://[::1]/a.iso",
        "http://[::ffff:127.0.0.2]/a.iso",
        "http://2130706434/a.iso",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/a.iso",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.iso",
        "http://user:pw@127.0.0.1/a.iso",
        "http://[",
        "//",
    ],
)
async def test_a_redirect_is_judged_like_the_first_address(source: Source, tmp_path: Path, target: str) -> None:
    source.giving["/away"] = redirect(target)
    fetcher = Fetcher(rules(tmp_path), resolver("127.0.0.1", "127.0.0.2"))
    with pytest.raises(CannotFetch, match=r"redirects to an address that is not allowed|is not public"):
        await fetched(fetcher, source.url("/away", "images.test"))
    assert len(source.asked) == 1


async def test_a_redirect_to_a_name_is_resolved_anew(source: Source, tmp_path: Path) -> None:
    source.giving["/away"] = redirect(source.url("/a.iso", "other.test"))
    fetcher = Fetcher(rules(tmp_path), resolver("127.0.0.1", "10.0.0.1"))
    with pytest.raises(CannotFetch, match=r"other\.test leads to an address that is not public"):
        await fetched(fetcher, source.url("/away", "images.test"))
    assert len(source.asked) == 1


async def test_too_big_by_its_own_word(source: Source, tmp_path: Path) -> None:
    source.giving["/big"] = announced((4 << 30) + 1)
    with pytest.raises(CannotFetch, match="bigger than 4 GB"):
        await fetched(Fetcher(rules(tmp_path)), source.url("/big"))
    assert len(source.asked) == 1


async def test_too_big_without_a_word(source: Source, tmp_path: Path) -> None:
    sent: list[int] = []
    source.giving["/endless"] = endless(sent)
    with pytest.raises(CannotFetch, match="bigger than"):
        await fetched(Fetcher(rules(tmp_path, max_bytes=1 << 20)), source.url("/endless"))
    assert sum(sent) < 100 << 20


async def test_exactly_as_big_as_allowed(source: Source, tmp_path: Path) -> None:
    assert await fetched(Fetcher(rules(tmp_path, max_bytes=len(IMAGE))), source.url("/a.iso")) == IMAGE
    with pytest.raises(CannotFetch, match="bigger than"):
        await fetched(Fetcher(rules(tmp_path, max_bytes=len(IMAGE) - 1)), source.url("/a.iso"))


@pytest.mark.parametrize("content", [b"<html>", b"", bytes(len(IMAGE)), IMAGE[:-100][: 16 * 2048]])
async def test_no_image(source: Source, tmp_path: Path, content: bytes) -> None:
    source.giving["/page"] = whole(content)
    with pytest.raises(CannotFetch, match="not an ISO image"):
        await fetched(Fetcher(rules(tmp_path)), source.url("/page"))


async def test_a_source_that_hangs_up_half_way_is_asked_again(source: Source, tmp_path: Path) -> None:
    source.giving["/half"] = announced(2 * len(IMAGE))
    with pytest.raises(CannotFetch, match=r"the connection to 127\.0\.0\.1 fails"):
        await fetched(Fetcher(rules(tmp_path)), source.url("/half"))
    assert len(source.asked) == 3

    async def better(writer: Any) -> None:
        source.giving["/half"] = whole()
        await announced(2 * len(IMAGE))(writer)

    source.giving["/half"] = better
    assert await fetched(Fetcher(rules(tmp_path)), source.url("/half")) == IMAGE


async def test_a_source_that_falls_silent(source: Source, tmp_path: Path) -> None:
    source.giving["/silent"] = silent()
    with pytest.raises(CannotFetch, match="does not answer in time"):
        await fetched(Fetcher(rules(tmp_path, idle_seconds=0.05)), source.url("/silent"))


async def test_a_source_that_takes_too_long(source: Source, tmp_path: Path) -> None:
    source.giving["/silent"] = silent()
    with pytest.raises(CannotFetch, match="takes longer than"):
        await fetched(Fetcher(rules(tmp_path, max_seconds=0.1)), source.url("/silent"))


@pytest.mark.parametrize(("status", "times"), [("404 Not Found", 1), ("403 Forbidden", 1), ("503 Busy", 3)])
async def test_an_answer_without_image(source: Source, tmp_path: Path, status: str, times: int) -> None:
    source.giving["/gone"] = whole(status=status)
    with pytest.raises(CannotFetch, match=f"answers with status {status[:3]}"):
        await fetched(Fetcher(rules(tmp_path)), source.url("/gone?token=hush"))
    assert len(source.asked) == times


async def test_nobody_listens(source: Source, tmp_path: Path) -> None:
    with pytest.raises(CannotFetch, match="the connection to 127"):
        await fetched(Fetcher(rules(tmp_path)), "http://127.0.0.1:1/a.iso")


async def test_a_full_disk_is_noticed(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "KEPT_FREE", 1 << 60)
    with pytest.raises(NoSpace):
        await fetched(Fetcher(rules(tmp_path)), source.url("/a.iso"))


async def test_slow_sources_of_one_keep_nobody_else_waiting(source: Source, tmp_path: Path) -> None:
    source.giving["/silent"] = silent()
    fetcher = Fetcher(rules(tmp_path))
    slow = [asyncio.create_task(fetched(fetcher, source.url("/silent"))) for _ in range(12)]
    await eventually(lambda: both_asked(source))
    async with fetcher.fetched(source.url("/a.iso"), UUID(int=2)) as path:
        assert path.read_bytes() == IMAGE
    assert len(source.asked) == 3
    # None of them waits for its turn here, where it would keep a slot of the worker.
    refused = [task.exception() for task in slow if task.done()]
    assert [type(each) for each in refused] == [Busy] * 10
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)


async def both_asked(source: Source) -> bool:
    return len(source.asked) >= 2


async def test_certificates_are_checked_for_the_name(tmp_path: Path) -> None:
    certificate = tmp_path / "server.pem"
    make_certificate(certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    folder = tmp_path / "spool"
    folder.mkdir()
    async with running_source(server) as source:
        source.giving["/a.iso"] = whole()
        url = source.url("/a.iso").replace("http:", "https:")
        assert await fetched(Fetcher(rules(folder), tls=trusting), url) == IMAGE
        for fetcher, address in (
            (Fetcher(rules(folder)), url),
            (Fetcher(rules(folder), resolver("127.0.0.1"), trusting), url.replace("127.0.0.1", "images.test")),
        ):
            with pytest.raises(CannotFetch, match=r"certificate of .* cannot be verified"):
                await fetched(fetcher, address)
        source.giving["/down"] = redirect("http://127.0.0.1/a.iso")
        with pytest.raises(CannotFetch, match="from https to http"):
            await fetched(Fetcher(rules(folder), tls=trusting), url.replace("/a.iso", "/down"))
    assert list(folder.iterdir()) == []
