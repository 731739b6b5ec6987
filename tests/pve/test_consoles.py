"""The screen of a machine, through the API of the local node, with simulated guests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bluelobster.console.rfb import RfbError, log_in
from bluelobster.console.stream import Wire
from bluelobster.pve import Endpoint, PveClient, Upid, VncTicket, errors
from pve import schema
from pve.test_live import done, guests, image, machine, node, pve
from pvelocal import consoles
from pvelocal.running import RunningNode
from pvelocal.simulated import SimulatedHypervisor
from viewers import Viewer

__all__ = ["guests", "image", "machine", "node", "pve"]
KEY_A = 0x61


@pytest.fixture
async def running(pve: PveClient, machine: int) -> int:
    await done(pve, await pve.start(machine))
    return machine


async def proxy_task(pve: PveClient, vmid: int) -> Upid:
    (task,) = [task for task in await pve.running_tasks(vmid) if task.type == "vncproxy"]
    return task


@asynccontextmanager
async def seen(pve: PveClient, vmid: int, ticket: VncTicket) -> AsyncIterator[Viewer]:
    socket = await pve.vncwebsocket(vmid, ticket)
    try:
        viewer = Viewer(Wire(socket))
        await log_in(viewer.wire, ticket.password)
        await viewer.enter()
        yield viewer
    finally:
        await socket.close()


async def test_the_screen(pve: PveClient, running: int, guests: SimulatedHypervisor) -> None:
    ticket = await pve.vncproxy(running)
    assert ticket.ticket.startswith(f"{ticket.password}:PVEVNC:")
    assert ticket.password not in repr(ticket)
    task = await proxy_task(pve, running)
    parameters = {"port": str(ticket.port), "vncticket": ticket.ticket}
    assert schema.problems("GET", f"/nodes/px1/qemu/{running}/vncwebsocket", parameters) == []
    async with seen(pve, running, ticket) as viewer:
        assert (viewer.width, viewer.height, viewer.name) == (160, 96, "web-1")
        before = viewer.picture
        await viewer.press("a")
        await viewer.look()
        assert viewer.picture != before
        assert guests.screen(running).keys == [KEY_A]
    await pve.wait(task, timeout=10, poll=0.01)


async def test_pictures_in_another_format(pve: PveClient, running: int) -> None:
    async with seen(pve, running, await pve.vncproxy(running)) as viewer:
        sixteen_bits = bytes((0, 0, 0, 0, 16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0))
        clipboard = b"\6\0\0\0\0\0\0\2hi"
        pointer = b"\5\0\0\1\0\1"
        encodings = b"\2\0\0\1\0\0\0\0"
        await viewer.wire.write(sixteen_bits + clipboard + pointer + encodings)
        await viewer.wire.write(b"\3\0" + bytes(4) + b"\0\xa0\0\x60")
        await viewer.wire.exactly(16)
        assert len(await viewer.wire.exactly(160 * 96 * 2)) == 160 * 96 * 2


async def test_a_ticket_is_good_for_one_machine_and_once(pve: PveClient, running: int, node: RunningNode) -> None:
    ticket = await pve.vncproxy(running)
    for wrong in (VncTicket(ticket.port, ticket.ticket + "x", ""), VncTicket(ticket.port + 1, ticket.ticket, "")):
        with pytest.raises(errors.Unauthorized):
            await pve.vncwebsocket(running, wrong)
    async with seen(pve, running, ticket):
        with pytest.raises(errors.Unauthorized):
            await pve.vncwebsocket(running, ticket)


async def test_a_wrong_password(pve: PveClient, running: int) -> None:
    ticket = await pve.vncproxy(running)
    socket = await pve.vncwebsocket(running, ticket)
    with pytest.raises(RfbError, match="Authentication failed"):
        await log_in(Wire(socket), "wrong")
    await socket.close()


async def test_nobody_joins(pve: PveClient, running: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "_JOIN_SECONDS", 0.05)
    ticket = await pve.vncproxy(running)
    with pytest.raises(errors.TaskFailed, match="connection timed out"):
        await done(pve, await proxy_task(pve, running))
    with pytest.raises(errors.Unauthorized):
        await pve.vncwebsocket(running, ticket)


async def test_a_stopped_machine_has_a_ticket_and_no_screen(pve: PveClient, machine: int) -> None:
    socket = await pve.vncwebsocket(machine, await pve.vncproxy(machine))
    assert await socket.read() == b""
    await socket.close()


async def test_a_missing_machine(pve: PveClient, node: RunningNode) -> None:
    with pytest.raises(errors.VmNotFound):
        await pve.vncproxy(999)


async def test_pulling_the_plug_ends_it(pve: PveClient, running: int) -> None:
    socket = await pve.vncwebsocket(running, await pve.vncproxy(running))
    assert await socket.read() == b"RFB 003.008\n"
    await done(pve, await pve.stop(running))
    async with asyncio.timeout(10):
        while await socket.read():
            pass
    await socket.close()


async def test_another_certificate(pve: PveClient, running: int, node: RunningNode) -> None:
    ticket = await pve.vncproxy(running)
    endpoint = Endpoint(node.url, f"{node.token.id}={node.token.secret}", "0" * 64)
    async with PveClient(endpoint, "px1") as stranger:
        with pytest.raises(errors.CertificateMismatch):
            await stranger.vncwebsocket(running, ticket)


async def test_no_server(pve: PveClient) -> None:
    endpoint = Endpoint("https://127.0.0.1:1", "a@pve!token=0", None)
    async with PveClient(endpoint, "px1") as lost:
        with pytest.raises(errors.Unreachable):
            await lost.vncwebsocket(101, VncTicket(5900, "ticket", "password"))
