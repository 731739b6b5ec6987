"""Carries a claimed task from where it stands to its end: forward, or back."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NoReturn

from psycopg import Error, OperationalError

from bluelobster.access.sealing import Seal
from bluelobster.clock import Clock
from bluelobster.db.conflicts import CONFLICTS
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.events.record import recorded_task
from bluelobster.isos.fetch import Fetcher
from bluelobster.pve import PveClient, errors
from bluelobster.stopping import stop
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import GiveUp, Operation, Step, TryAgain, side_of
from bluelobster.tasks.run import LeaseLost, Run
from bluelobster.tasks.tell import tell
from bluelobster.tasks.turns import Turns
from bluelobster.tasks.way import Leg, Way, back, there

log = logging.getLogger(__name__)

GAVE_UP = "gave_up"
DEFINITE_FAILURES = 3
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0

END = recorded_task(
    """update tasks set status = %(status)s, message = %(message)s, updated_at = %(now)s, ended_at = %(now)s,
                        progress = case when %(status)s = 'COMPLETED' then 100 else progress end
       where id = %(id)s"""
)

Connect = Callable[[str], Awaitable[PveClient]]


@dataclass(frozen=True)
class Engine:
    """What every task is carried out with."""

    pool: Pool
    clock: Clock
    operations: Mapping[str, Operation[Any]]
    connect: Connect
    seal: Seal
    isos: Fetcher
    turns: Turns

    async def carry_out(self, run: Run) -> None:
        """Run a claimed task until it ended, has to wait, or belongs to another worker."""
        try:
            async with _held(run, self.pool):
                with self.turns.long() if self.operations[run.task.operation].takes_long else nullcontext():
                    await self._go_on(run)
        except LeaseLost:
            log.info("task %s went on elsewhere", run.task_id)
        except TryAgain as reason:
            pause = min(FIRST_PAUSE_SECONDS * 1.5 ** (run.attempt - 1), LONGEST_PAUSE_SECONDS)
            await self._hand_back(run, str(reason), pause)
        except asyncio.CancelledError:
            await asyncio.shield(self._hand_back(run, "the worker stops", 0))
            raise
        except CONFLICTS as error:
            await self._hand_back(run, str(error), FIRST_PAUSE_SECONDS)
        except OperationalError as error:
            log.warning("task %s waits for the database: %s", run.task_id, error)

    async def _hand_back(self, run: Run, reason: str, pause_seconds: float) -> None:
        at = self.clock.now() + timedelta(seconds=pause_seconds)
        with contextlib.suppress(LeaseLost, Error):
            await run.hand_back(self.pool, reason, at)

    async def _go_on(self, run: Run) -> None:
        operation = self.operations[run.task.operation]
        if not run.is_first:
            async with transaction(self.pool) as tx:
                await run.lock(tx)
                await run.load_checkpoints(tx)
        if GAVE_UP not in run.checkpoints:
            try:
                await self._forward(run, operation)
            except GiveUp as reason:
                log.warning("task %s gives up: %s", run.task_id, reason)
                await run.save(self.pool, GAVE_UP, str(reason))
            else:
                return
        await self._back(run, operation)

    async def _forward(self, run: Run, operation: Operation[Any]) -> None:
        async def arrive(subject: Any, tx: Tx) -> None:
            ended = await operation.done(subject, tx, self.clock)
            await self._end(run, tx, "COMPLETED", ended.message)

        await self._travel(run, operation, Way(there(operation), run.task, arrive), self._attempt)

    async def _back(self, run: Run, operation: Operation[Any]) -> None:
        reason = run.checkpoints[GAVE_UP]

        async def arrive(subject: Any, tx: Tx) -> None:
            await operation.failed(subject, tx, self.clock)
            await self._end(run, tx, "FAILED", reason)

        task = replace(run.task, message=reason)
        await self._travel(run, operation, Way(back(operation), task, arrive), self._undo)

    async def _travel(
        self, run: Run, operation: Operation[Any], way: Way, perform: Callable[..., Awaitable[str | None]]
    ) -> None:
        acted = None
        while begun := await self._turn(run, operation, way, acted):
            acted = await perform(run, operation, *begun)

    async def _turn(self, run: Run, operation: Operation[Any], way: Way, acted: str | None) -> tuple[Leg, Any] | None:
        """Between two legs, in one transaction: what was `acted` is kept, and the next leg begins, with its subject as
        it is now. After the last one the task ends: None."""
        async with transaction(self.pool) as tx:
            await (run.checkpoint(tx, acted, True) if acted else run.lock(tx))
            subject = await operation.load(tx, way.task)
            for leg in way.legs:
                if leg.key not in run.checkpoints and leg.concerns(subject):
                    if leg.progress is not None:
                        await self._tell(run, tx, operation, leg.step.says, leg.progress)
                    return leg, subject
            await way.arrive(subject, tx)
            return None

    async def _tell(self, run: Run, tx: Tx, operation: Operation[Any], says: str, progress: int) -> None:
        """What is done now. The deadline begins with the first step: whoever waits for a worker has not failed."""
        now = self.clock.now()
        if run.task.status == "PENDING":
            deadline = now + timedelta(seconds=operation.deadline_seconds)
            run.task = replace(run.task, status="PROCESSING", deadline_at=deadline)
        await tell(tx, run.task_id, says, now, progress, deadline=run.task.deadline_at)

    async def _attempt(self, run: Run, operation: Operation[Any], leg: Leg, subject: Any) -> str | None:
        left = (run.task.deadline_at - self.clock.now()).total_seconds()
        overdue = GiveUp(f"{operation.complaint}: {leg.step.says.lower()} took too long")
        if left <= 0:
            raise overdue
        try:
            async with asyncio.timeout(left) as limit:
                return await self._perform(run, operation, leg, subject)
        except TimeoutError as error:
            if limit.expired():
                raise overdue from error
            raise TryAgain(str(error)) from error
        except errors.PveError as error:
            return await self._judge(run, operation, leg.step, error)
        except GiveUp as reason:
            raise GiveUp(f"{operation.complaint}: {reason}") from reason

    async def _judge(self, run: Run, operation: Operation[Any], step: Step[Any], error: errors.PveError) -> NoReturn:
        """Whether what the hypervisor said is final. Always raises: TryAgain or GiveUp."""
        log.warning("task %s, %s: %s: %s", run.task_id, step.name, type(error).__name__, error)
        if not isinstance(error, WORTH_WAITING):
            key = f"failures:{step.name}"
            failures = run.checkpoints.get(key, 0) + 1
            await run.save(self.pool, key, failures)
            if isinstance(error, errors.Refused) or failures >= DEFINITE_FAILURES:
                raise GiveUp(f"{operation.complaint}: {step.says.lower()} was refused by the hypervisor") from error
        raise TryAgain(f"{step.name}: {error}") from error

    async def _undo(self, run: Run, operation: Operation[Any], leg: Leg, subject: Any) -> str | None:
        try:
            return await self._perform(run, operation, leg, subject)
        except (errors.PveError, GiveUp, TimeoutError) as error:
            log.warning("task %s, undoing %s: %s: %s", run.task_id, leg.step.name, type(error).__name__, error)
            async with transaction(self.pool) as tx:
                await run.lock(tx)
                await tell(tx, run.task_id, f"{run.checkpoints[GAVE_UP]}; cleaning up", self.clock.now())
            raise TryAgain(f"undo {leg.step.name}: {error}") from error

    async def _perform(self, run: Run, operation: Operation[Any], leg: Leg, subject: Any) -> str | None:
        """The checkpoint of what was done, for the next turn to keep; a function that writes rows keeps its own."""
        if side_of(leg.function) == "tx":
            async with transaction(self.pool) as tx:
                await run.lock(tx)
                await leg.function(await operation.load(tx, run.task), tx=tx)
                await run.checkpoint(tx, leg.key, True)
            return None
        host_id = operation.host_of(subject)
        with self.turns.at(host_id):
            client = await self.connect(host_id)
            node = Node(client, run, self.pool, leg.key, self.clock, self.seal, self.isos)
            await leg.function(subject, node=node)
        return leg.key

    async def _end(self, run: Run, tx: Tx, status: str, message: str) -> None:
        values = {"id": run.task_id, "status": status, "message": message, "now": self.clock.now()}
        await tx.execute(END, values)
        await run.complete(tx)
        log.info("task %s %s: %s", run.task_id, status, message)


# A host that is away, busy or restarting comes back; anything else that it says is an answer.
WORTH_WAITING = (
    errors.NoAnswer,
    errors.VmLocked,
    errors.VmExists,
    errors.AgentNotRunning,
    errors.ConfigChanged,
    errors.TaskTimeout,
    errors.TaskNotFound,
)


@asynccontextmanager
async def _held(run: Run, pool: Pool) -> AsyncIterator[None]:
    """Keep extending the claim while the block runs; the block is cancelled when the claim is lost."""
    inside = asyncio.current_task()
    lost = False

    async def keep() -> None:
        nonlocal lost
        while True:
            await asyncio.sleep(run.lease_seconds / 3)
            try:
                await run.extend(pool)
            except LeaseLost:
                lost = True
                if inside is not None:
                    inside.cancel()
                return
            except Error:
                continue

    keeper = asyncio.create_task(keep())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            if inside is not None:
                inside.uncancel()
            raise LeaseLost from None
        raise
    finally:
        await stop(keeper)
