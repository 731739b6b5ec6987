"""A whole cloud inside one event loop: API, worker, and a node with simulated guests, over real sockets and SQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.datastructures import State

from bluelobster.access.accounts import Kind
from bluelobster.access.permissions import Role
from bluelobster.access.principal import Sight
from bluelobster.access.sealing import new_key
from bluelobster.app import attach, create_app
from bluelobster.catalog.gpus import save_gpu
from bluelobster.catalog.hosts import Capacity, NewHost, save_host
from bluelobster.catalog.templates import place_image
from bluelobster.console.gateway import running_gateway
from bluelobster.db.pool import Tx, transaction
from bluelobster.http.errors import NotFound
from bluelobster.instances.delete import request_deletion
from bluelobster.instances.find import find_instance
from bluelobster.isos.rules import IsoRules
from bluelobster.parts import Parts, assembled
from bluelobster.pve import Endpoint
from bluelobster.settings import Settings
from bluelobster.stopping import stop
from bluelobster.tasks.spawn import Origin
from bluelobster.worker import work
from furnished import Keys, account_with_key, accounts, stock
from pvelocal.certificate import load_certificate
from pvelocal.gpus import GpuMapping
from pvelocal.node import NodeSettings
from pvelocal.running import RunningNode, running_node
from pvelocal.simulated import SimulatedHypervisor

IMAGE = b"QFI\xfb" + bytes(508)
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIilqD0mN+wPR065Z7W6wzy9q22EdOaSlXOYolQ4zeu me@example"
LAUNCH: dict[str, Any] = {
    "region": "us-east-1",
    "instance_type": "v1_cpu_small",
    "username": "lobster",
    "ssh_key": SSH_KEY,
    "template_name": "TINY-LINUX",
}
SECONDS = 20.0
LEASE_SECONDS = 2
CHEAP_HASHES: dict[str, Any] = {"password_memory_kib": 64, "password_passes": 1}
# Nobody is limited, nobody waits, and passwords are hashed cheaply.
IN_TESTS: dict[str, Any] = {
    "database_connections": 4,
    "reconcile_seconds": 0.3,
    "poll_seconds": 0.1,
    "lease_seconds": LEASE_SECONDS,
    "console_port": 0,
    "rate_per_second": 1e6,
    "rate_burst": 10**6,
    "stranger_rate_per_second": 1e6,
    "stranger_rate_burst": 10**6,
    "sign_in_per_minute": 1e6,
    "sign_in_burst": 10**6,
    **CHEAP_HASHES,
}


@dataclass
class TestCloud:
    """What a test works with. `customer` and `staff` are API clients with a key of theirs."""

    __test__ = False

    settings: Settings
    parts: Parts
    app: FastAPI
    node: RunningNode
    hypervisor: SimulatedHypervisor
    customer: httpx.AsyncClient
    staff: httpx.AsyncClient
    stranger: httpx.AsyncClient
    key: str

    async def client(self, name: str, kind: Kind = "customer", role: Role = "owner") -> httpx.AsyncClient:
        """An API client of a new account."""
        async with transaction(self.parts.pool) as tx:
            key = await account_with_key(tx, name, kind, role, self.parts.clock.now())
        return api_client(self.app, key)

    async def launch(self, **changes: Any) -> dict[str, Any]:
        """Launch as the customer; the answer."""
        answer = await self.customer.post("/instances/launch-instance", json={**LAUNCH, **changes})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def launched(self, **changes: Any) -> str:
        """Launch and wait until the instance is ready; its id."""
        accepted = await self.launch(**changes)
        await self.completed(accepted["task_id"])
        instance_id: str = accepted["vm_uuid"]
        return instance_id

    async def ended(self, task_id: str) -> dict[str, Any]:
        """The task, once it has ended."""

        async def has_ended() -> bool:
            return await self.one("select ended_at is not null from tasks where id = %s", task_id) is not False

        await eventually(has_ended)
        ended: dict[str, Any] = (await self.customer.get(f"/tasks/{task_id}")).json()
        return ended

    async def completed(self, task_id: str) -> dict[str, Any]:
        task = await self.ended(task_id)
        assert task["status"] == "COMPLETED", task
        return task

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """A worker that works for as long as the block lasts."""
        working = asyncio.create_task(work(self.parts, self.settings))
        try:
            yield
        finally:
            await stop(working)

    async def request_deletion(self, instance_id: str) -> str:
        """Ask for a deletion without waiting for it; the task's id."""
        account_id = await self.one("select account_id from instances where id = %s", instance_id)
        async with transaction(self.parts.pool) as tx:
            found = await find_instance(tx, Sight(account_id, None), instance_id, NotFound("gone", "gone"), lock=True)
            return str(await request_deletion(tx, found, Origin(account_id, None, None), self.parts.clock.now()))

    async def one(self, query: str, *parameters: Any) -> Any:
        """The first column of a query's first row."""
        async with self.parts.pool.connection() as connection:
            cursor = await connection.execute(query, parameters)
            row = await cursor.fetchone()
        return row[0] if row else None

    async def execute(self, query: LiteralString, *parameters: Any) -> None:
        """One statement, committed."""
        async with self.parts.pool.connection() as connection:
            await connection.execute(query, parameters)

    async def account_id(self, name: str = "customer") -> UUID:
        found: UUID = await self.one("select id from accounts where name = %s", name)
        return found

    async def leftovers(self) -> dict[str, Any]:
        """Everything that a machine takes, here and on the node; all of it empty when nothing is left."""
        vms = self.node.node.vms
        return {
            "instances": await self.one("select count(*) from instances where ended_at is null"),
            "addresses": await self.one("select count(*) from addresses where instance_id is not null"),
            "networks": await self.one("select count(*) from account_networks"),
            "usage": await self.one(
                """select (select count(*) from usage_periods where ended_at is null)
                        + (select count(*) from address_usage_periods where ended_at is null)"""
            ),
            "gpus": await self.one("select count(*) from gpus where instance_id is not null"),
            "host": await self.one("select sum(vcpus_used + memory_gb_used + disk_gb_used)::int from hosts"),
            "samples": await self.one("select count(*) from instance_samples"),
            "schedules": await self.one("select count(*) from backup_schedules"),
            "live tasks": await self.one("select count(*) from tasks where ended_at is null"),
            "secrets": await self.one(
                """select count(*) from instances where password_hash is not null or password_sealed is not null
                     or iso_url_sealed is not null or user_data_sealed is not null"""
            ),
            "machines": len(list(vms)),
            "disks": len([path for path in (self.node.node.settings.data / "images").glob("*/*") if path.is_file()]),
            "firewalls": len(list((self.node.node.settings.data / "firewall").iterdir())),
        }


CLEAN = {
    "instances": 0,
    "addresses": 0,
    "networks": 0,
    "usage": 0,
    "gpus": 0,
    "host": 0,
    "samples": 0,
    "schedules": 0,
    "live tasks": 0,
    "secrets": 0,
    "machines": 0,
    "disks": 0,
    "firewalls": 0,
}


async def eventually(look: Callable[[], Awaitable[Any]], seconds: float = SECONDS) -> Any:
    """What `look` finds, as soon as it finds something; fails after `seconds`."""
    pause = 0.01
    async with asyncio.timeout(seconds):
        while not (found := await look()):
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, 0.1)
        return found


def api_client(app: FastAPI, key: str | None) -> httpx.AsyncClient:
    headers = {"X-API-Key": key} if key else {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("198.51.100.7", 40000))
    return httpx.AsyncClient(transport=transport, base_url="http://api/api/v1", headers=headers, timeout=60)


@asynccontextmanager
async def running_cloud(
    database: str,
    folder: Path,
    *,
    worker: bool = True,
    idle_seconds: float = 30,
    keys: Keys | None = None,
    **changes: Any,
) -> AsyncIterator[TestCloud]:
    """Everything, started; without `worker` operations stay queued. `keys` are those of the accounts that the database
    has already, beside a catalogue; `changes` are settings."""
    usual = {
        "database_url": database,
        "secret_key": SecretStr(new_key()),
        "transaction_idle_seconds": idle_seconds,
        "isos": IsoRules(allowed_networks="127.0.0.1/32", folder=folder),
    }
    # A copy takes a tenth of the time, but looks at no value.
    settings = Settings(**IN_TESTS | usual | changes) if changes else settings_of_tests().model_copy(update=usual)
    hypervisor = SimulatedHypervisor(folder / "run")
    node_settings = NodeSettings(
        data=folder / "node",
        gpus=(GpuMapping("a4000-0", "A4000", 1), GpuMapping("a4000-1", "A4000", 1)),
        durable=False,
    )
    as_in_an_earlier_life(folder / "node", node_settings.name)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(running_node(node_settings, hypervisor, control=True))
        parts = await stack.enter_async_context(assembled(settings))
        app = new_app()
        attach(app, parts)
        app.state.console = await stack.enter_async_context(running_gateway(parts, settings))
        put_image(folder / "node")
        async with transaction(parts.pool) as tx:
            if keys is None:
                await stock(tx)
            await add_host(tx, parts, node)
            if keys is None:
                keys = await accounts(tx, parts.clock.now())
        customer, staff, stranger = (api_client(app, key) for key in keys)
        cloud = TestCloud(settings, parts, app, node, hypervisor, customer, staff, stranger, keys.customer)
        if worker:
            await stack.enter_async_context(cloud.worker())
        yield cloud


def as_in_an_earlier_life(data: Path, name: str) -> None:
    """A node's data with what a node makes itself at its first start."""
    data.mkdir(mode=0o700, parents=True)
    for file, content in made_at_a_first_start(name).items():
        (data / file).write_bytes(content)
        (data / file).chmod(0o600)


@cache
def made_at_a_first_start(name: str) -> dict[str, bytes]:
    """Its token and its certificate, which takes as long to make as a test takes to ask it something."""
    with TemporaryDirectory() as folder:
        load_certificate(Path(folder), name)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return {**files, "token": str(uuid4()).encode()}


def new_app() -> FastAPI:
    """The API with a state of its own and the routes of all others: FastAPI takes longer to work them out than most
    tests take."""
    app = copy(built_app())
    app.state = State()
    app.middleware_stack = None
    return app


@cache
def built_app() -> FastAPI:
    return create_app(settings_of_tests())


@cache
def settings_of_tests() -> Settings:
    return Settings(database_url="unused", **IN_TESTS)


def put_image(data: Path) -> None:
    """What the template is made of."""
    image = data / "import" / "tiny-linux.qcow2"
    image.parent.mkdir(exist_ok=True)
    image.write_bytes(IMAGE)


async def add_host(tx: Tx, parts: Parts, node: RunningNode) -> None:
    """The node as a host with room for a few machines."""
    token = f"{node.token.id}={node.token.secret}"
    endpoint = Endpoint(url=node.url, token=token, fingerprint=node.fingerprint)
    capacity = Capacity(vcpus=256, memory_gb=1024, disk_gb=20_000)
    host = NewHost(
        "px1",
        "us-east-1",
        endpoint,
        "px1",
        "local",
        "vmbr0",
        capacity,
        iso_storage="local",
        backup_storage="backup",
    )
    await save_host(tx, host, parts.seal, parts.clock.now())
    for mapping in ("a4000-0", "a4000-1"):
        await save_gpu(tx, "px1", "A4000", mapping)
    await place_image(tx, "TINY-LINUX", "px1", "local:import/tiny-linux.qcow2")
