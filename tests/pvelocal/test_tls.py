"""The node's certificate is its own, kept, and the one that its fingerprint names."""

import asyncio
import hashlib
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from pvelocal.certificate import load_certificate
from pvelocal.running import running_node
from pvelocal.simulated import SimulatedHypervisor


async def test_fingerprint_is_that_of_the_certificate(client: Any) -> None:
    port = int(client.running.url.rpartition(":")[2])
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    assert client.running.fingerprint == ":".join(digest[at : at + 2] for at in range(0, 64, 2))
    assert (await client.get("/nodes"))[0]["ssl_fingerprint"] == client.running.fingerprint


def test_certificate_is_kept(tmp_path: Path) -> None:
    _, first = load_certificate(tmp_path, "px1")
    _, second = load_certificate(tmp_path, "px1")
    assert first == second
    assert ((tmp_path / "key.pem").stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize("name", ["key.pem", "certificate.pem"])
def test_a_certificate_that_is_no_use_is_made_anew(tmp_path: Path, name: str) -> None:
    _, first = load_certificate(tmp_path, "px1")
    (tmp_path / name).write_bytes(b"")
    _, second = load_certificate(tmp_path, "px1")
    _, third = load_certificate(tmp_path, "px1")
    assert first != second == third


async def test_strangers_do_not_trust_it(client: Any) -> None:
    async with httpx.AsyncClient() as stranger:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await stranger.get(client.running.url)


async def test_token_is_kept(tmp_path: Path) -> None:
    secrets = set()
    for _ in range(2):
        async with running_node(tmp_path, SimulatedHypervisor(tmp_path / "run")) as running:
            secrets.add(running.token.secret)
            assert running.token.secret not in repr(running.token)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert len(secrets) == 1


async def test_a_token_that_is_none_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"")
    async with running_node(tmp_path, SimulatedHypervisor(tmp_path / "run")) as running:
        assert (tmp_path / "token").read_text() == running.token.secret != ""
