"""Everything on this machine: PostgreSQL, a node with simulated guests, one API and one worker process."""

import asyncio
import json
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from uuid import UUID

import aiohttp

from bench.processes import Process, started
from bluelobster.access.accounts import create_account
from bluelobster.access.keys import create_key
from bluelobster.access.sealing import Seal, new_key
from bluelobster.billing.ledger import credit
from bluelobster.catalog.hosts import Capacity, NewHost, save_host
from bluelobster.catalog.templates import KNOWN, place_image, save_template
from bluelobster.db.embedded import EmbeddedPostgres
from bluelobster.db.migrate import migrate
from bluelobster.db.pool import Pool, connect, transaction
from bluelobster.demonstration import seed
from bluelobster.pve import Endpoint
from bluelobster.quotas.limit import set_limit
from bluelobster.quotas.quota import ITEMS

PATIENCE_SECONDS = 60.0
# Less than the API keeps a connection: none is used in the moment that it is closed.
KEPT_SECONDS = 3.0
LAUNCH = {
    "region": "us-east-1",
    "instance_type": "v1_cpu_small",
    "username": "bench",
    "ssh_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlbmNoYmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJl bench",
    "template_name": "TINY-LINUX",
}
# The limit of requests would otherwise be what is measured.
UNLIMITED = {"BLUELOBSTER_RATE_PER_SECOND": "100000", "BLUELOBSTER_RATE_BURST": "1000000"}


@dataclass
class Cloud:
    """What is measured, and an account to measure it with."""

    url: str
    key: str
    account_id: UUID
    pool: Pool
    api: Process
    worker: Process
    session: aiohttp.ClientSession
    folder: Path

    async def get(self, path: str, key: str | None = None) -> tuple[int, bytes]:
        async with self.session.get(f"{self.url}{path}", headers={"X-API-Key": key or self.key}) as answer:
            return answer.status, await answer.read()

    async def launch(self, key: str) -> str:
        """The task of an accepted launch."""
        headers = {"X-API-Key": key}
        async with self.session.post(f"{self.url}/instances/launch-instance", json=LAUNCH, headers=headers) as answer:
            body = await answer.json()
            if answer.status != 200:
                raise RuntimeError(f"launch: {answer.status} {body}")
            task_id: str = body["task_id"]
            return task_id


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def new_account(pool: Pool, name: str) -> tuple[UUID, str]:
    """An account and a key of it."""
    now = datetime.now(UTC)
    async with transaction(pool) as tx:
        account_id = await create_account(tx, name, "customer", now)
        await credit(tx, account_id, 10**8, "for the measurement", now)
        return account_id, await create_key(tx, account_id, "bench", "owner", now)


@asynccontextmanager
async def running() -> AsyncIterator[Cloud]:
    """Start it all in a folder that is removed at the end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bluelobster-bench-")))
        # A stand-in for hosts elsewhere, whose disks are not measured: its files are in memory, where there is one.
        node = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bluelobster-bench-node-", dir="/dev/shm")))
        postgres = await stack.enter_async_context(EmbeddedPostgres(folder / "postgresql"))
        migrate(postgres.dsn)
        await stack.enter_async_context(
            started("pvelocal", "--data", str(node), "--guests", "simulated", "--port", "0")
        )
        endpoint = await node_endpoint(node / "node.json")
        secret, port = new_key(), free_port()
        pool = await stack.enter_async_context(connect(postgres.dsn, size=4, idle_seconds=60))
        await stock(pool, Seal.from_text(secret), endpoint, node)
        account_id, key = await new_account(pool, "bench")
        environment = {
            "BLUELOBSTER_DATABASE_URL": postgres.dsn,
            "BLUELOBSTER_SECRET_KEY": secret,
            "BLUELOBSTER_API_PORT": str(port),
            "BLUELOBSTER_CONSOLE_PORT": "0",
            "BLUELOBSTER_LOG_LEVEL": "WARNING",
            **UNLIMITED,
        }
        api = await stack.enter_async_context(started("bluelobster", "api", environment=environment))
        worker = await stack.enter_async_context(started("bluelobster", "worker", environment=environment))
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_SECONDS)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        cloud = Cloud(f"http://127.0.0.1:{port}/api/v1", key, account_id, pool, api, worker, session, folder)
        await ready(cloud)
        yield cloud


async def node_endpoint(path: Path) -> Endpoint:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not path.exists():
            await asyncio.sleep(0.05)
    said = json.loads(path.read_text())
    return Endpoint(url=said["url"], token=said["token"], fingerprint=said["fingerprint"])


async def ready(cloud: Cloud) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                if (await cloud.get("/health"))[0] == 200:
                    return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


async def stock(pool: Pool, seal: Seal, endpoint: Endpoint, node: Path) -> None:
    """A catalogue, and a host with room for thousands of machines."""
    image = node / "import" / "tiny-linux.qcow2"
    image.parent.mkdir(exist_ok=True)
    image.write_bytes(b"QFI\xfb" + bytes(508))
    capacity = Capacity(vcpus=1_000_000, memory_gb=10_000_000, disk_gb=1_000_000_000)
    async with transaction(pool) as tx:
        await seed(tx, IPv4Network("127.64.0.0/18"))
        for item in ITEMS:
            await set_limit(tx, None, item, None, None)
        host = NewHost("px1", "us-east-1", endpoint, "px1", "local", "vmbr0", capacity)
        await save_host(tx, host, seal, datetime.now(UTC))
        away = NewHost("archive", "us-east-1", endpoint, "archive", "local", "vmbr0", capacity)
        await save_host(tx, away, seal, datetime.now(UTC))
        await tx.execute("update hosts set status = 'offline' where id = 'archive'")
        await save_template(tx, KNOWN["TINY-LINUX"])
        await place_image(tx, "TINY-LINUX", "px1", "local:import/tiny-linux.qcow2")
