"""The client: all calls to one node of a Proxmox VE cluster."""

from types import TracebackType
from typing import Self

from bluelobster.pve.backups import BackupCalls
from bluelobster.pve.consoles import ConsoleCalls
from bluelobster.pve.endpoint import Endpoint
from bluelobster.pve.firewall import FirewallCalls
from bluelobster.pve.nodes import NodeCalls
from bluelobster.pve.storage import StorageCalls
from bluelobster.pve.tasks import TaskCalls
from bluelobster.pve.transport import Transport
from bluelobster.pve.vms import VmCalls
from bluelobster.pve.wire import Wire


class PveClient(NodeCalls, StorageCalls, VmCalls, BackupCalls, FirewallCalls, ConsoleCalls, TaskCalls):
    """Calls to `node` through the API at `endpoint`, which any node of its cluster may serve.

    Every method raises a PveError (see `errors`) when its call fails. Safe for many coroutines at once. Close it with
    `aclose()` or use it as an asynchronous context manager. `wire` replaces the network, for tests.
    """

    def __init__(self, endpoint: Endpoint, node: str, *, wire: Wire | None = None) -> None:
        super().__init__(Transport(endpoint, wire), node)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()
