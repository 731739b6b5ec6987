"""Nothing is said to a server that does not show the pinned certificate."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluelobster.pve import Endpoint, PveClient, errors
from pve.tls_server import TlsServer, hang_up, make_certificate

TOKEN = "cloud@pve!api=5e0f7a9c-1111-4222-8333-944455556666"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("tls") / "pve.pem"
    return path, make_certificate(path)


@pytest.fixture
def server(certificate: tuple[Path, str]) -> Iterator[TlsServer]:
    running = TlsServer(certificate[0])
    yield running
    running.close()


async def version(server: TlsServer, fingerprint: str | None, connections: int = 1) -> str:
    """What the server says, while it serves just so many connections."""
    async with PveClient(Endpoint(server.url, TOKEN, fingerprint), "pve1") as pve, asyncio.TaskGroup() as both:
        both.create_task(server.serve(connections))
        return await pve.version()


async def test_the_pinned_certificate(server: TlsServer, certificate: tuple[Path, str]) -> None:
    assert await version(server, certificate[1]) == "9.2.11"
    (request,) = server.received
    assert request.startswith(b"GET /api2/json/version HTTP/1.1\r\n")
    assert f"PVEAPIToken={TOKEN}".encode() in request


async def test_another_certificate_gets_not_a_byte(server: TlsServer) -> None:
    serving = asyncio.create_task(server.serve())
    async with PveClient(Endpoint(server.url, TOKEN, "00" * 32), "pve1") as pve:
        with pytest.raises(errors.CertificateMismatch, match="expected was 0000"):
            await pve.version()
    await serving
    assert server.received == [b""]


async def test_an_unknown_authority_gets_not_a_byte(server: TlsServer) -> None:
    serving = asyncio.create_task(server.serve())
    async with PveClient(Endpoint(server.url, TOKEN), "pve1") as pve:
        with pytest.raises(errors.CertificateMismatch, match="self-signed"):
            await pve.version()
    await serving
    assert server.received == [b""]


async def test_an_authority_of_the_system(
    server: TlsServer, certificate: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert await version(server, None) == "9.2.11"


async def test_a_lost_answer_is_asked_for_again_when_nothing_can_have_happened(
    server: TlsServer, certificate: tuple[Path, str]
) -> None:
    server.reply = hang_up
    serving = asyncio.create_task(server.serve(3))
    async with PveClient(Endpoint(server.url, TOKEN, certificate[1]), "pve1") as pve:
        with pytest.raises(errors.ConnectionLost):
            await pve.version()
    await serving
    assert [request[:4] for request in server.received] == [b"GET "] * 3


async def test_a_lost_answer_to_a_start_is_not_asked_for_again(
    server: TlsServer, certificate: tuple[Path, str]
) -> None:
    server.reply = hang_up
    serving = asyncio.create_task(server.serve(1))
    async with PveClient(Endpoint(server.url, TOKEN, certificate[1]), "pve1") as pve:
        with pytest.raises(errors.ConnectionLost):
            await pve.start(101)
    await serving
    assert [request[:5] for request in server.received] == [b"POST "]


async def test_nobody_listens(server: TlsServer) -> None:
    server.close()
    closed = Endpoint("https://127.0.0.1:1", TOKEN, "00" * 32)
    async with PveClient(closed, "pve1") as pve:
        with pytest.raises(errors.Unreachable, match="no connection"):
            await pve.start(101)
