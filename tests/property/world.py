"""A cloud in the middle of a history: who asked for what, and the worker that a history may end and start again."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

import httpx

from bluelobster.tasks.run import Run
from bluelobster.worker import work
from cloud import TestCloud, eventually
from pvelocal.simulated import Behaviour

GRACE_SECONDS = 0.3
EXPIRE_CLAIMS = "update absurd.r_operations set claim_expires_at = now() where state = 'running'"
ENGINE_TABLES = """
    select string_agg('absurd.' || tablename, ', ') from pg_tables
    where schemaname = 'absurd' and tablename ~ '^._operations$'"""


class World:
    """`machines` are all that were accepted in this history, with their account; `secrets` must be seen nowhere."""

    def __init__(self, cloud: TestCloud, accounts: dict[str, httpx.AsyncClient]) -> None:
        self.cloud = cloud
        self.accounts = accounts
        self.machines: list[tuple[str, str]] = []
        self.asked: set[asyncio.Task[None]] = set()
        self.secrets: set[str] = set()
        self._working: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return "…"

    def ask(self, asking: Coroutine[Any, Any, None]) -> None:
        """Ask the API for something without waiting for its answer."""
        self.asked.add(asyncio.create_task(asking))

    def machine(self, number: int) -> tuple[str, str]:
        """An account and one of its machines; one that never was, before the first."""
        return self.machines[number % len(self.machines)] if self.machines else ("customer", str(uuid4()))

    def new_password(self) -> str:
        password = f"pw-{uuid4().hex}"
        self.secrets.add(password)
        return password

    def start_worker(self) -> None:
        if self._working is None:
            self._working = asyncio.create_task(work(self.cloud.parts, self.cloud.settings))

    async def stop_worker(self) -> None:
        """As SIGTERM does: what is under way is handed back."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])
            self._working = None

    async def kill_worker(self) -> None:
        """As SIGKILL does: nothing is handed back; the claims run out, which takes no time here."""
        hand_back, Run.hand_back = Run.hand_back, leave  # type: ignore[method-assign,assignment]
        try:
            await self.stop_worker()
        finally:
            Run.hand_back = hand_back  # type: ignore[method-assign]
        await self.execute(EXPIRE_CLAIMS)

    async def execute(self, query: str) -> None:
        async with self.cloud.parts.pool.connection() as connection:
            await connection.execute(query)

    async def is_calm(self) -> bool:
        """Whether every request was answered and every task has ended."""
        live = await self.cloud.one("select count(*) from tasks where ended_at is null")
        return live == 0 and all(asking.done() for asking in self.asked)

    async def calm_down(self) -> None:
        """Everything works again; until every task has ended and every power state is known."""
        self.cloud.node.faults.clear()
        self.cloud.hypervisor.behaviour = Behaviour()
        self.start_worker()
        await asyncio.gather(*self.asked)
        self.asked.clear()
        await eventually(self._calm, 30)
        await eventually(self._powers_agree)

    async def _calm(self) -> bool:
        """Whether every task has ended."""
        if await self.is_calm():
            return True
        await self._end_what_hangs()
        return False

    async def _end_what_hangs(self) -> None:
        """As an operator would: what a creation left half-made goes with it."""
        node = self.cloud.node.node
        running = [task for task in node.tasks.newest() if task.running]
        if running:
            await asyncio.sleep(GRACE_SECONDS)
        for task in running:
            if task.running:
                node.tasks.stop(task.upid)
                await node.tasks.wait(task.upid)
                for vm in node.vms:
                    if str(vm.vmid) == task.subject and vm.config.get("lock") == "create":
                        await node.destroy(vm)

    async def _powers_agree(self) -> bool:
        node = self.cloud.node.node
        async with self.cloud.parts.pool.connection() as connection:
            cursor = await connection.execute("select vmid, power_status from instances where ended_at is null")
            powers: dict[int, str] = dict(await cursor.fetchall())
        return powers == {vmid: await node.state(node.vms.get(vmid)) for vmid in powers if vmid in node.vms}

    async def clean_up(self) -> None:
        """Delete every machine, and forget the history."""
        for account, machine in self.machines:
            await self.accounts[account].delete(f"/instances/{machine}")
        await eventually(self._calm)

    async def forget(self) -> None:
        """Of this history only the record of its instances is there when the next one begins."""
        await self.stop_worker()
        await self.execute("delete from tasks")
        await self.execute(f"truncate {await self.cloud.one(ENGINE_TABLES)}")
        self.machines.clear()
        self.secrets.clear()


async def leave(_run: Run, *_arguments: object) -> None:
    """What a killed worker does with its tasks."""
