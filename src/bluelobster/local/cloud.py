"""All parts of the cloud on this machine, started in order and stopped in reverse."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg
from pydantic import ValidationError

from bluelobster.access.sealing import Seal, new_key
from bluelobster.admin.session import OPERATOR_FILE
from bluelobster.catalog.images import BadImage
from bluelobster.db.embedded import DataDirectoryInUse, EmbeddedPostgres
from bluelobster.db.migrate import migrate
from bluelobster.local.children import Child, ChildFailed, start_child
from bluelobster.local.errors import CloudError
from bluelobster.local.node import LocalNode, node_command, read_node
from bluelobster.local.output import say
from bluelobster.local.owner import must_be_ours
from bluelobster.local.ports import free_port, must_be_free, port_beside, url_here
from bluelobster.local.setup import CREDENTIALS, TINY_LINUX_NEEDS, set_up
from bluelobster.parts import assembled
from bluelobster.private_files import write_private
from bluelobster.process import complaints
from bluelobster.settings import Settings
from bluelobster.system_packages import FILTERING, QEMU, CannotInstall, ensure_packages

START_SECONDS = 60.0
NODE_PATIENCE_SECONDS = 120.0
IMPAIRED = frozenset(("degraded", "unavailable"))
USABLE = frozenset(("operational", "degraded"))
PYTHON = (sys.executable, "-P", "-m")


@dataclass(frozen=True)
class Wishes:
    """What the operator asked for."""

    data: Path
    port: int
    guests: str
    keep_guests: bool


class Cloud:
    """Database, node, worker and API on this machine. Entering starts them; leaving ends whatever was started."""

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.api_url = ""
        self.customer_key = ""
        self.guests = ""
        self._stack = AsyncExitStack()
        self._children: list[Child] = []
        self._database = EmbeddedPostgres(wishes.data / "postgres")

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException as error:
            await self._stack.aclose()
            if isinstance(error, DataDirectoryInUse):
                raise CloudError(
                    f"another `up` is running on {self.wishes.data}; stop it, or choose another --data"
                ) from error
            if isinstance(error, OSError):
                raise CloudError(f"cannot use {error.filename or self.wishes.data}: {error.strerror}") from error
            if isinstance(error, (ChildFailed, CannotInstall, BadImage)):
                raise CloudError(str(error)) from error
            if isinstance(error, psycopg.Error):
                raise CloudError(f"PostgreSQL: {error}; see {self.wishes.data / 'logs'}") from error
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        say("stopping …")
        await self._stack.aclose()
        say("stopped")

    async def watch(self) -> None:
        """Until a part ends by itself: CloudError, or EmbeddedPostgresError."""
        waiting = [asyncio.create_task(child.ended()) for child in self._children]
        waiting.append(asyncio.create_task(self._database.wait()))
        try:
            await asyncio.gather(*waiting)
        except ChildFailed as error:
            orphans = error.name == "node" and self.guests == "qemu"
            found_again = "\nIts machines keep running; the next start finds them." if orphans else ""
            raise CloudError(f"{error}{found_again}") from error
        finally:
            for each in waiting:
                each.cancel()

    async def _start(self) -> None:
        data = self.wishes.data
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        must_be_ours(data / OPERATOR_FILE)
        (data / "logs").mkdir(exist_ok=True)
        say("starting PostgreSQL …")
        await self._stack.enter_async_context(self._database)
        # Not before it is known that no other `up` runs on the data: it may be the one that has the port.
        port = self.wishes.port or free_port()
        must_be_free(port)
        self.guests = choose_guests(self.wishes.guests, data)
        migrate(self._database.dsn)
        settings = self._settings(self._database.dsn, port)
        say("starting the node …")
        node = await self._start_node()
        async with assembled(settings) as parts:
            accounts = await set_up(parts, node, data, self.guests)
        self.customer_key = next(each["api_key"] for each in accounts if each["role"] == "customer")
        say("starting worker and API …")
        environment = environment_of(settings)
        await self._start_child("worker", (*PYTHON, "bluelobster", "worker"), environment, 30)
        await self._start_child("api", (*PYTHON, "bluelobster", "api"), environment, 30)
        await self._until_healthy()
        write_private(data / CREDENTIALS, json.dumps({"api_url": self.api_url, "accounts": accounts}, indent=2))

    def _settings(self, dsn: str, port: int) -> Settings:
        """The settings of API and worker, with a secret key that is made once; `bluelobster admin` reads them too."""
        data = self.wishes.data
        key_file = data / "secret.key"
        if not (data / OPERATOR_FILE).exists() and not key_file.exists():
            write_private(key_file, new_key())
        own: dict[str, Any] = {"database_url": dsn, "secret_key_file": key_file, "api_port": port}
        if not os.environ.get("BLUELOBSTER_CONSOLE_PORT"):
            own["console_port"] = port_beside(port)
        try:
            settings = Settings(**own)
        except ValidationError as error:
            raise CloudError("\n".join(complaints(error))) from error
        must_be_key(settings)
        write_private(
            data / OPERATOR_FILE, json.dumps({"database_url": dsn, "secret_key_file": str(key_file)}, indent=2)
        )
        self.api_url = url_here(settings.api_host, settings.api_port)
        return settings

    async def _start_node(self) -> LocalNode:
        folder = self.wishes.data / "node"
        folder.mkdir(mode=0o700, exist_ok=True)
        command = node_command(folder, self.guests, self.wishes.keep_guests)
        child = await self._start_child("node", command, {}, NODE_PATIENCE_SECONDS)
        deadline = time.monotonic() + START_SECONDS
        while (node := read_node(folder, child.process.pid)) is None:
            await self._pause(deadline, "the node did not start")
        return node

    async def _start_child(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], patience: float
    ) -> Child:
        child = await start_child(name, command, environment, self.wishes.data / "logs" / f"{name}.log")
        self._stack.push_async_callback(child.stop, patience)
        self._children.append(child)
        return child

    async def _until_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            while not (parts := await working_parts(http, self.api_url)):
                await self._pause(deadline, "the API did not become healthy")
        impaired = [f"{name} is {state}" for name, state in parts.items() if state in IMPAIRED]
        if impaired:
            say(f"warning: not everything works: {', '.join(impaired)}", error=True)

    async def _pause(self, deadline: float, complaint: str) -> None:
        """Wait a moment for the processes; raises what ended one, or CloudError after the deadline."""
        for child in self._children:
            if child.process.returncode is not None:
                await child.ended()
        if time.monotonic() > deadline:
            raise CloudError(f"{complaint} within {START_SECONDS:.0f} s; see {self.wishes.data / 'logs'}")
        await asyncio.sleep(0.05)


def must_be_key(settings: Settings) -> None:
    """What is sealed in the database opens with one key alone. Raises CloudError where it is gone, or damaged."""
    try:
        Seal.from_text(settings.key_text())
    except (OSError, ValueError) as error:
        raise CloudError(
            f"{settings.secret_key_file} cannot be used ({error}). Put it back from where it is kept: what is sealed in"
            " the database opens with no other. Where it is lost for good, make a new one with `bluelobster admin"
            f" secret-key {settings.secret_key_file}`, and give hosts other than the local node their tokens again"
        ) from error


async def working_parts(http: httpx.AsyncClient, api_url: str) -> dict[str, str]:
    """How each part is, once the cloud can be used; nothing before. Other hosts, and Redis, may be away meanwhile."""
    try:
        answer = await http.get(f"{api_url}/api/v1/health")
    except httpx.TransportError:
        return {}
    parts: dict[str, str] = answer.json()["components"] if answer.status_code == HTTPStatus.OK else {}
    usable = parts and parts["api"] == parts["postgresql"] == "operational" and parts["proxmox"] in USABLE
    return parts if usable else {}


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as the processes read them. On this machine alone there is one template to begin with."""
    return {
        "BLUELOBSTER_DEFAULT_TEMPLATE": "TINY-LINUX",
        "BLUELOBSTER_DEFAULT_GPU_TEMPLATE": "TINY-LINUX",
        **{name: value for name, value in os.environ.items() if name.startswith("BLUELOBSTER_")},
        "BLUELOBSTER_DATABASE_URL": settings.database_url,
        "BLUELOBSTER_SECRET_KEY_FILE": str(settings.secret_key_file),
        "BLUELOBSTER_API_PORT": str(settings.api_port),
        "BLUELOBSTER_CONSOLE_PORT": str(settings.console_port),
    }


def choose_guests(wish: str, data: Path) -> str:
    """Real guests where QEMU can be had, else pretended ones, said plainly; what was chosen holds for the data.

    Raises CloudError, and CannotInstall when real ones were insisted on.
    """
    record = data / "guests"
    used = record.read_text().strip() if record.exists() else None
    if used and wish not in {"auto", used}:
        raise CloudError(f"{data} has {used} guests already; choose another --data for {wish} ones")
    chosen = possible_guests(used or wish)
    write_private(record, chosen)
    return chosen


def possible_guests(wish: str) -> str:
    if wish == "simulated":
        return wish
    try:
        ensure_packages((*QEMU, *TINY_LINUX_NEEDS), say)
    except CannotInstall as error:
        if wish == "qemu":
            raise
        say(f"{error}")
        say("Guests are SIMULATED here: they have an address, but nothing answers there.")
        say("Once QEMU is installed, start with another --data to get real ones.")
        return "simulated"
    if os.geteuid() == 0:
        prepare_filtering()
    return "qemu"


def prepare_filtering() -> None:
    """Let the firewall really filter; without its programs guests get QEMU's own network."""
    try:
        ensure_packages(FILTERING, say)
    except CannotInstall as error:
        say(f"{error}")
        say("Firewall rules filter little here; docs/firewall.md says what.")
