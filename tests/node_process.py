"""The node as a process of its own, with simulated guests, that a test can kill and start again."""

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from bluelobster.catalog.hosts import Capacity, NewHost, find_host, save_host
from bluelobster.db.pool import transaction
from bluelobster.pve import Endpoint
from cloud import IMAGE, TestCloud
from forks import processes
from pvelocal.__main__ import main

SECONDS = 20


def live(output: Connection, arguments: list[str]) -> None:
    """As its command would; what it says goes to `output`."""
    sys.argv[1:] = arguments
    with open(output.fileno(), "w", closefd=False) as sys.stdout:
        main()


def first_line(output: Connection) -> str:
    with output, open(output.fileno(), closefd=False) as lines:
        return lines.readline()


@dataclass
class NodeProcess:
    """A node that lives in `data`. It can be reached under the address that it had first."""

    data: Path
    port: int = 0
    process: BaseProcess | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        options = ("--data", str(self.data), "--guests", "simulated", "--faults", "--keep-guests")
        reader, writer = processes.Pipe(duplex=False)
        self.process = processes.Process(target=live, args=(writer, [*options, "--port", str(self.port)]))
        self.process.start()
        writer.close()
        async with asyncio.timeout(SECONDS):
            line = await asyncio.to_thread(first_line, reader)
        assert "listens on" in line
        self.port = int(line.rpartition(":")[2])

    async def ended(self) -> None:
        assert self.process is not None
        await asyncio.to_thread(self.process.join)

    async def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.ended()

    @property
    def endpoint(self) -> Endpoint:
        said = json.loads((self.data / "node.json").read_text())
        return Endpoint(url=said["url"], token=said["token"], fingerprint=said["fingerprint"])

    async def befall(self, **fault: object) -> None:
        """Provoke a fault."""
        certificate = ssl.create_default_context(cafile=str(self.data / "certificate.pem"))
        async with httpx.AsyncClient(verify=certificate) as client:
            answer = await client.post(
                f"{self.endpoint.url}/local/faults",
                json=fault,
                headers={"Authorization": f"PVEAPIToken={self.endpoint.token}"},
            )
        assert answer.is_success, answer.text


async def follow(cloud: TestCloud) -> None:
    """Let go of the node that the cloud began with, which it may otherwise call for another moment."""
    async with cloud.parts.pool.connection() as connection:
        host = await find_host(connection, "px1")
    assert host is not None
    await cloud.parts.connections.to_host(host)


@asynccontextmanager
async def own_node(cloud: TestCloud, data: Path) -> AsyncIterator[NodeProcess]:
    """The cloud's host, but in a process."""
    (data / "import").mkdir(parents=True)
    (data / "import" / "tiny-linux.qcow2").write_bytes(IMAGE)
    node = NodeProcess(data)
    await node.start()
    try:
        capacity = Capacity(vcpus=256, memory_gb=1024, disk_gb=20_000)
        host = NewHost(
            *("px1", "us-east-1", node.endpoint, "px1", "local", "vmbr0", capacity),
            iso_storage="local",
            backup_storage="backup",
        )
        async with transaction(cloud.parts.pool) as tx:
            await save_host(tx, host, cloud.parts.seal, cloud.parts.clock.now())
        await follow(cloud)
        yield node
    finally:
        await node.kill()
