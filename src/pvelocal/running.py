"""A node that listens: in a process of its own or inside a test's event loop."""

import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from aiohttp import web

from pvelocal.access import Token, new_secret, root_token
from pvelocal.certificate import CERTIFICATE, load_certificate
from pvelocal.faults import Faults
from pvelocal.files import write_atomically
from pvelocal.hypervisor import Hypervisor
from pvelocal.node import Node, NodeSettings
from pvelocal.server import Server

_TOKEN_NAME = "local"  # noqa: S105
_KEEP_ALIVE_SECONDS = 600
_SHUTDOWN_SECONDS = 1.0


class AlreadyRunning(Exception):
    """Another node works on the data directory."""


@dataclass(frozen=True)
class RunningNode:
    """A node that answers at `url` with the certificate of this `fingerprint`."""

    node: Node
    url: str
    fingerprint: str
    token: Token

    @property
    def faults(self) -> Faults:
        """What goes wrong with it."""
        return self.node.faults

    @property
    def hypervisor(self) -> Hypervisor:
        """What runs its guests."""
        return self.node.hypervisor


@contextmanager
def _held(data: Path) -> Iterator[None]:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "lock").open("a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another node is running on {data}") from None
        yield


def _own_token(data: Path) -> Token:
    """The token of an earlier start, or a new one: so also where a power failure left an empty file."""
    path = data / "token"
    try:
        secret = str(UUID(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        secret = new_secret()
        write_atomically(path, secret, durable=True)
    return root_token(_TOKEN_NAME, secret)


@asynccontextmanager
async def running_node(
    settings: NodeSettings | Path,
    hypervisor: Hypervisor,
    *,
    tokens: Sequence[Token] = (),
    port: int = 0,
    host: str = "127.0.0.1",
    control: bool = False,
    keep_guests: bool = False,
) -> AsyncIterator[RunningNode]:
    """Run a node until the block ends. Port 0 picks a free one; `tokens` may call it beside its own of root.

    AlreadyRunning when another node works on the data directory; OSError when the port is taken.
    """
    if isinstance(settings, Path):
        settings = NodeSettings(data=settings)
    with _held(settings.data):
        shutil.rmtree(settings.data / "uploads", ignore_errors=True)
        (settings.data / "uploads").mkdir(mode=0o700)
        own = _own_token(settings.data)
        context, fingerprint = load_certificate(settings.data, settings.name)
        node = Node(settings, hypervisor, [own, *tokens])
        node.fingerprint = fingerprint
        node.certificate = (settings.data / CERTIFICATE).read_text(encoding="ascii")
        await node.open()
        server = web.Server(Server(node, control=control), access_log=None, keepalive_timeout=_KEEP_ALIVE_SECONDS)
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, ssl_context=context, backlog=1024)
            await site.start()
            bound = runner.addresses[0][1]
            yield RunningNode(node, f"https://{host}:{bound}", fingerprint, own)
        finally:
            await runner.cleanup()
            await node.close(keep_guests=keep_guests)


def describe(running: RunningNode, *, guests: str, ssh_port: int, internal_bridge: str | None) -> dict[str, object]:
    """What `node.json` tells the control plane. On the internal bridge, cards with one VLAN tag reach each other."""
    return {
        "url": running.url,
        "fingerprint": running.fingerprint,
        "token": f"{running.token.id}={running.token.secret}",
        "node": running.node.name,
        "guests": guests,
        "ssh_port": ssh_port,
        "internal_bridge": internal_bridge,
        "pid": os.getpid(),
    }
