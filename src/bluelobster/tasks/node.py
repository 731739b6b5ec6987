"""The hypervisor as a step sees it: only for as long as the step's worker holds the task."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from bluelobster.access.sealing import Seal
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool
from bluelobster.isos.fetch import Fetcher
from bluelobster.pve import PveClient, Upid, errors
from bluelobster.tasks.run import Run

FIRST_LOOK_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Node:
    """One host's Proxmox VE, and what a step needs to use it safely. `scope` names the step's own checkpoints."""

    client: PveClient
    run: Run
    pool: Pool
    scope: str
    deadline: datetime
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
        return (self.deadline - self.clock.now()).total_seconds()

    async def finish(self, name: str, start: Callable[[], Awaitable[Upid | None]]) -> None:
        """Start a task of Proxmox and wait for its end. Its UPID is kept before it is waited for, so that after a
        crash the same task is found again instead of a second one being started. Without a UPID it is done already.
        Raises what the task died of."""
        key = f"upid:{self.scope}:{name}"
        kept = self.run.checkpoints.get(key)
        upid = Upid.parse(kept) if kept else await start()
        if upid is None:
            return
        if not kept:
            await self.run.save(self.pool, key, str(upid))
        try:
            await self.client.wait(upid, timeout=max(self.seconds_left, 1.0))
        except (errors.NoAnswer, errors.TaskTimeout):
            raise
        except errors.PveError:
            await self.run.save(self.pool, key, None)
            raise

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
