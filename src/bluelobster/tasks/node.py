"""The hypervisor as a step sees it: only for as long as the step's worker holds the task."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bluelobster.access.sealing import Seal
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.isos.fetch import Fetcher
from bluelobster.pve import PveClient, Upid, errors
from bluelobster.tasks.run import Run
from bluelobster.tasks.tell import tell

FIRST_LOOK_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Node:
    """One host's Proxmox VE, and what a step needs to use it safely. `scope` names the step's own checkpoints."""

    client: PveClient
    run: Run
    pool: Pool
    scope: str
    clock: Clock
    seal: Seal
    isos: Fetcher

    @property
    def pve(self) -> PveClient:
        """The client; raises LeaseLost when this worker may no longer hold the task."""
        self.run.must_hold()
        return self.client

    @property
    def seconds_left(self) -> float:
        """Until the operation's deadline."""
        return (self.run.task.deadline_at - self.clock.now()).total_seconds()

    @property
    def is_first_try(self) -> bool:
        """Whether nobody began this task before: what an earlier try may have left need not be looked for."""
        return self.run.is_first

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Tx]:
        """A transaction for what the hypervisor said, which only the task's holder commits. Raises LeaseLost."""
        async with transaction(self.pool) as tx:
            await self.run.lock(tx)
            yield tx

    async def tell(self, message: str, progress: int) -> None:
        """Let the task say how far it is; `progress` (0..100) is the whole operation's. Raises LeaseLost."""
        async with self.writing() as tx:
            await tell(tx, self.run.task_id, message, self.clock.now(), progress)

    def has_begun(self, name: str) -> bool:
        """Whether `finish` has a task of Proxmox under this name already."""
        return bool(self.run.checkpoints.get(self._key(name)))

    def _key(self, name: str) -> str:
        return f"upid:{self.scope}:{name}"

    async def finish(
        self,
        name: str,
        start: Callable[[], Awaitable[Upid | None]],
        watch: Callable[[Upid], Awaitable[None]] | None = None,
    ) -> None:
        """Start a task of Proxmox and wait for its end. Its UPID is kept before it is waited for, so that after a
        crash the same task is found again instead of a second one being started. Without a UPID it is done already.
        `watch` is called now and then while the task runs, and once when it has ended, however it did.
        Raises what the task died of."""
        key = self._key(name)
        kept = self.run.checkpoints.get(key)
        upid = Upid.parse(kept) if kept else await start()
        if upid is None:
            return
        if not kept:
            await self.run.save(self.pool, key, str(upid))
        try:
            await self._wait(upid, watch)
        except (errors.NoAnswer, errors.TaskTimeout):
            raise
        except errors.PveError:
            await self.run.save(self.pool, key, None)
            raise

    async def _wait(self, upid: Upid, watch: Callable[[Upid], Awaitable[None]] | None) -> None:
        seconds = max(self.seconds_left, 1.0)
        if watch is None:
            await self.client.wait(upid, timeout=seconds)
            return
        try:
            await self.client.wait(upid, timeout=seconds, on_poll=partial(watch, upid))
        except (errors.NoAnswer, errors.TaskTimeout, errors.TaskNotFound):
            raise
        except errors.PveError:
            await watch(upid)
            raise
        await watch(upid)

    async def until(self, look: Callable[[], Awaitable[bool]], patience: float | None = None) -> bool:
        """Look again and again, less and less often, until it is so; False when `patience` seconds passed."""
        pause = FIRST_LOOK_SECONDS
        waited = 0.0
        while not await look():
            if patience is not None and waited >= patience:
                return False
            await asyncio.sleep(pause)
            waited += pause
            pause = min(pause * 1.3, LONGEST_PAUSE_SECONDS)
        return True
