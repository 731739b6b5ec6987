"""The screen of a VM: a ticket, and the websocket that it opens."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from aiohttp import WSMsgType, web

from pvelocal.access import Token
from pvelocal.errors import failed
from pvelocal.faults import Fault
from pvelocal.hypervisor import HypervisorError
from pvelocal.node import Node
from pvelocal.routing import Call, Route, needs
from pvelocal.tasks import Task
from pvelocal.verification import verify

_VM = "/nodes/{node}/qemu/{vmid}"
_JOIN = f"GET {_VM}/vncwebsocket"
_CONSOLE = needs("/vms/{vmid}", "VM.Console")
_CHUNK = 1 << 16
_LARGEST_FRAME = 128 << 10
# What a screen has said when it has let somebody in: version, kinds of authentication, challenge, result.
_HANDSHAKE_BYTES = 12 + 2 + 16 + 4


async def vncproxy(call: Call) -> object:
    """A ticket for the screen of a VM, also of one that does not run. Only websockets are served."""
    vm = call.node.vms.get(call.vmid)
    if not call.flag("websocket"):
        raise failed("this node serves consoles through websockets only")
    consoles = call.node.consoles
    console = consoles.open(vm.vmid, call.token.id)

    async def work(_task: Task) -> None:
        try:
            await console.attended()
        finally:
            consoles.close(console)

    return {
        "user": call.token.id,
        "ticket": console.ticket,
        "password": console.password,
        "port": str(console.port),
        "cert": call.node.certificate,
        "upid": call.start("vncproxy", str(vm.vmid), work),
    }


async def vncwebsocket(
    node: Node, token: Token, request: web.BaseRequest, parameters: Mapping[str, str], _faults: Sequence[Fault]
) -> object:
    """Join the console that the ticket is for; without a wish for a websocket nothing happens."""
    call = Call(node, token, verify(_JOIN, parameters))
    socket = web.WebSocketResponse(protocols=("binary",), compress=False, max_msg_size=_LARGEST_FRAME)
    if not socket.can_prepare(request):
        return {"port": call.text("port")}
    console = node.consoles.join(call.vmid, token.id, call.number("port"), call.text("vncticket"))
    try:
        await socket.prepare(request)
        async with node.consoles.turn(console.vmid) as let_in:
            reader, writer = await node.hypervisor.open_display(console.vmid, console.password)
            with contextlib.closing(writer):
                await _bridge(socket, reader, writer, let_in)
    except (HypervisorError, ConnectionError):
        pass  # the viewer sees its connection end, as with the real node
    finally:
        console.left.set()
        await socket.close()
    return socket


async def _bridge(
    socket: web.WebSocketResponse,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    let_in: Callable[[], None],
) -> None:
    upwards = asyncio.create_task(_pass_upwards(socket, writer))
    sent = 0
    try:
        while data := await reader.read(_CHUNK):
            await socket.send_bytes(data)
            sent += len(data)
            if sent >= _HANDSHAKE_BYTES:
                let_in()
    finally:
        upwards.cancel()
        await asyncio.wait([upwards])


async def _pass_upwards(socket: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                return
            writer.write(message.data)
            await writer.drain()


ROUTES = (
    Route("POST", f"{_VM}/vncproxy", vncproxy, _CONSOLE),
    Route("GET", f"{_VM}/vncwebsocket", permission=_CONSOLE, stream=vncwebsocket),
)
