"""A node with simulated guests, and a client for it that trusts nothing but its certificate."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pvelocal.running import RunningNode, running_node
from pvelocal.simulated import Behaviour, SimulatedHypervisor

IMAGE_SIZE = 64 << 20


class Client:
    """Calls a node and keeps the UPIDs apart from the rest."""

    def __init__(self, running: RunningNode, http: httpx.AsyncClient) -> None:
        self.running = running
        self.http = http

    async def call(self, method: str, path: str, **parameters: Any) -> httpx.Response:
        """Any call, whatever it ends in. A `_` in a parameter's name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in parameters.items()}
        place = {"params": named} if method in ("GET", "DELETE") else {"data": named}
        return await self.http.request(method, path, **place)  # type: ignore[arg-type]

    async def get(self, path: str, **parameters: Any) -> Any:
        """The data of a call that succeeds."""
        response = await self.call("GET", path, **parameters)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    async def act(self, method: str, path: str, **parameters: Any) -> str:
        """How the task ends that a call starts."""
        response = await self.call(method, path, **parameters)
        assert response.status_code == 200, response.text
        return await self.end_of(response.json()["data"])

    async def end_of(self, upid: str) -> str:
        """How a task ends."""
        await self.running.node.tasks.wait(upid)
        return str((await self.get(f"/nodes/px1/tasks/{upid}/status"))["exitstatus"])

    async def create(self, vmid: int, **options: Any) -> str:
        """Make a VM from the image, and how that ends."""
        defaults: dict[str, Any] = {
            "vmid": vmid, "name": f"vm-{vmid}", "memory": 256, "machine": "q35",
            "scsi0": "local:0,import-from=local:import/tiny.qcow2", "ide2": "local:cloudinit",
            "net0": "virtio,bridge=vmbr0", "boot": "order=scsi0", "agent": "enabled=1", "ostype": "l26",
        }  # fmt: skip
        return await self.act("POST", "/nodes/px1/qemu", **(defaults | options))

    async def power(self, vmid: int, action: str, **parameters: Any) -> str:
        """How `status/{action}` ends."""
        return await self.act("POST", f"/nodes/px1/qemu/{vmid}/status/{action}", **parameters)

    async def state(self, vmid: int) -> str:
        """The power state."""
        return str((await self.get(f"/nodes/px1/qemu/{vmid}/status/current"))["qmpstatus"])


def write_image(path: Path) -> None:
    """A file that looks like an empty qcow2 image of IMAGE_SIZE."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"QFI\xfb\0\0\0\3" + bytes(16) + IMAGE_SIZE.to_bytes(8, "big") + bytes(480))


def pinned(data: Path) -> ssl.SSLContext:
    """A client's TLS context that trusts the node's certificate only."""
    return ssl.create_default_context(cafile=str(data / "certificate.pem"))


def client_of(running: RunningNode, authorization: str | None = None) -> httpx.AsyncClient:
    """An HTTP client for a node; as root without an `authorization`."""
    headers = {"Authorization": running.token.header if authorization is None else authorization}
    data = running.node.settings.data
    return httpx.AsyncClient(base_url=f"{running.url}/api2/json", headers=headers, verify=pinned(data))


@pytest.fixture
def hypervisor(tmp_path: Path) -> SimulatedHypervisor:
    """Guests that boot at once."""
    return SimulatedHypervisor(tmp_path / "run", behaviour=Behaviour(boot_seconds=0, shutdown_seconds=0))


MakeClient = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def make_client() -> MakeClient:
    """Makes clients of a node that runs; their image is there to make VMs from."""

    @asynccontextmanager
    async def make(running: RunningNode, authorization: str | None = None) -> AsyncIterator[Client]:
        write_image(running.node.settings.data / "import" / "tiny.qcow2")
        async with client_of(running, authorization) as http:
            yield Client(running, http)

    return make


@pytest.fixture
async def client(tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: MakeClient) -> AsyncIterator[Client]:
    """A client of a node."""
    async with running_node(tmp_path, hypervisor, control=True) as running, make_client(running) as made:
        yield made
