"""The namespace of a node: what is left of one that died, and the way in from the host."""

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from local_guests import nic, open_firewall
from pvelocal.hypervisor import HypervisorError
from pvelocal.qemu.netns.forwarder import Forwarder
from pvelocal.qemu.netns.space import Space
from pvelocal.qemu.netns.wiring import Namespace
from pvelocal.qemu.slirp import Slirp
from pvelocal.qemu.wirings import open_wiring

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are made by root")

# Of this process alone: tests may run side by side.
ADDRESS = f"127.66.{os.getpid() >> 8 & 255}.{os.getpid() & 127 or 1}"
GATEWAY = f"{ADDRESS.rpartition('.')[0]}.254"
CARD = replace(nic(f"{ADDRESS}/24"), mac="02:00:00:00:00:01", gateway=GATEWAY, firewall=True)
OPEN = open_firewall(ADDRESS)


async def test_what_a_dead_node_left_is_removed(tmp_path: Path) -> None:
    space = Space(tmp_path)
    dead = await open_wiring("namespace", tmp_path, {})
    await dead.connect(101, (CARD,), OPEN)
    assert "tap101i0" in await space.devices()
    later = await open_wiring("auto", tmp_path, {})
    assert isinstance(later, Namespace)
    assert "tap101i0" not in await space.devices()
    await later.close(keep=False)
    assert not space.exists
    await dead.close(keep=False)


async def test_guests_that_run_keep_what_they_have(tmp_path: Path) -> None:
    assert isinstance(await open_wiring("namespace", tmp_path, {101: (CARD,)}), Slirp)
    first = await open_wiring("namespace", tmp_path, {})
    await first.connect(101, (CARD,), OPEN)
    await first.close(keep=True)
    later = await open_wiring("slirp", tmp_path, {101: (CARD,)})
    assert isinstance(later, Namespace)
    assert "tap101i0" in await Space(tmp_path).devices()
    await later.disconnect(101, (CARD,))
    assert "tap101i0" not in await Space(tmp_path).devices()
    await later.close(keep=False)


async def test_where_there_can_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvelocal.qemu.wirings.missing_programs", lambda: ["nft"])
    monkeypatch.setattr("pvelocal.qemu.programs.find", lambda _program: None)
    assert isinstance(await open_wiring("auto", tmp_path, {}), Slirp)
    with pytest.raises(HypervisorError, match=r"apt-get install .*nftables"):
        await open_wiring("namespace", tmp_path, {})


async def test_the_way_in(tmp_path: Path) -> None:
    space = Space(tmp_path)
    await space.make()
    inside = ThreadPoolExecutor(1, initializer=space.enter)
    forwarder = Forwarder(space)
    try:
        await forwarder.begin()
        await space.ip("address add 100.66.0.1/32 dev lo")
        server = inside.submit(socket.create_server, ("100.66.0.1", 80)).result()
        await forwarder.open((ADDRESS, 8080), ("100.66.0.1", 80))
        await forwarder.open((ADDRESS, 8080), ("100.66.0.1", 81))
        reader, writer = await asyncio.open_connection(ADDRESS, 8080, local_addr=("127.0.7.9", 0))
        accepted, client = await asyncio.to_thread(server.accept)
        assert client[0] == "198.18.7.9"
        writer.write(b"question")
        writer.write_eof()
        assert await asyncio.to_thread(accepted.recv, 100) == b"question"
        assert await asyncio.to_thread(accepted.recv, 100) == b""
        accepted.sendall(b"answer")
        accepted.close()
        assert await reader.read() == b"answer"
        writer.close()
        server.close()
        reader, writer = await asyncio.open_connection(ADDRESS, 8080)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await forwarder.shut((ADDRESS, 8080))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(ADDRESS, 8080)
    finally:
        await forwarder.close()
        inside.shutdown()
        await space.remove()
