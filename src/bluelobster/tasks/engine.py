"""Carries a claimed task from where it stands to its end: forward, or back."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import OperationalError
from psycopg.rows import class_row

from bluelobster.access.sealing import Seal
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.events.record import record_task
from bluelobster.isos.fetch import Fetcher
from bluelobster.pve import PveClient, errors
from bluelobster.stopping import stop
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import GiveUp, Operation, Step, TryAgain, side_of
from bluelobster.tasks.run import LeaseLost, Run
from bluelobster.tasks.task import COLUMNS, Task

log = logging.getLogger(__name__)

GAVE_UP = "gave_up"
DEFINITE_FAILURES = 3
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0

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

    async def carry_out(self, run: Run) -> None:
        """Run a claimed task until it ended, has to wait, or belongs to another worker."""
        try:
            async with _held(run, self.pool):
                await self._go_on(run)
        except LeaseLost:
            log.info("task %s went on elsewhere", run.task_id)
        except TryAgain as reason:
            pause = min(FIRST_PAUSE_SECONDS * 1.5 ** (run.attempt - 1), LONGEST_PAUSE_SECONDS)
            await self._hand_back(run, str(reason), pause)
        except asyncio.CancelledError:
            await asyncio.shield(self._hand_back(run, "the worker stops", 0))
            raise
        except OperationalError as error:
            log.warning("task %s waits for the database: %s", run.task_id, error)

    async def _hand_back(self, run: Run, reason: str, pause_seconds: float) -> None:
        at = self.clock.now() + timedelta(seconds=pause_seconds)
        with contextlib.suppress(LeaseLost, OperationalError):
            await run.hand_back(self.pool, reason, at)

    async def _go_on(self, run: Run) -> None:
        async with transaction(self.pool) as tx:
            await run.lock(tx)
            await run.load_checkpoints(tx)
            task = await read_task(tx, run)
            operation = self.operations[task.operation]
            await _tell(tx, task, "PROCESSING", task.message, self.clock)
        if GAVE_UP not in run.checkpoints:
            try:
                await self._forward(run, task, operation)
            except GiveUp as reason:
                log.warning("task %s gives up: %s", task.id, reason)
                await run.save(self.pool, GAVE_UP, str(reason))
            else:
                return
        await self._back(run, task, operation)

    async def _forward(self, run: Run, task: Task, operation: Operation[Any]) -> None:
        for number, step in enumerate(operation.steps):
            if f"do:{step.name}" in run.checkpoints:
                continue
            await self._attempt(run, task, operation, step, round(100 * number / (len(operation.steps) + 1)))
        async with transaction(self.pool) as tx:
            await run.lock(tx)
            ended = await operation.done(await operation.load(tx, task), tx, self.clock)
            await self._end(run, tx, task, "COMPLETED", ended.message)

    async def _attempt(self, run: Run, task: Task, operation: Operation[Any], step: Step[Any], progress: int) -> None:
        left = (task.deadline_at - self.clock.now()).total_seconds()
        overdue = GiveUp(f"{operation.complaint}: {step.says.lower()} took too long")
        if left <= 0:
            raise overdue
        try:
            async with asyncio.timeout(left) as limit:
                await self._perform(run, task, operation, step.name, step.do, "do", (step.says, progress))
        except TimeoutError as error:
            if limit.expired():
                raise overdue from error
            raise TryAgain(str(error)) from error
        except errors.PveError as error:
            await self._judge(run, operation, step, error)
        except GiveUp as reason:
            raise GiveUp(f"{operation.complaint}: {reason}") from reason

    async def _judge(self, run: Run, operation: Operation[Any], step: Step[Any], error: errors.PveError) -> None:
        """Whether what the hypervisor said is final. Always raises: TryAgain or GiveUp."""
        log.warning("task %s, %s: %s: %s", run.task_id, step.name, type(error).__name__, error)
        if not isinstance(error, WORTH_WAITING):
            key = f"failures:{step.name}"
            failures = run.checkpoints.get(key, 0) + 1
            await run.save(self.pool, key, failures)
            if isinstance(error, errors.Refused) or failures >= DEFINITE_FAILURES:
                raise GiveUp(f"{operation.complaint}: {step.says.lower()} was refused by the hypervisor") from error
        raise TryAgain(f"{step.name}: {error}") from error

    async def _back(self, run: Run, task: Task, operation: Operation[Any]) -> None:
        for step in reversed(operation.steps):
            if step.undo is None or f"undo:{step.name}" in run.checkpoints:
                continue
            try:
                await self._perform(run, task, operation, step.name, step.undo, "undo")
            except (errors.PveError, GiveUp, TimeoutError) as error:
                log.warning("task %s, undoing %s: %s: %s", run.task_id, step.name, type(error).__name__, error)
                async with transaction(self.pool) as tx:
                    await run.lock(tx)
                    await _tell(tx, task, "PROCESSING", f"{run.checkpoints[GAVE_UP]}; cleaning up", self.clock)
                raise TryAgain(f"undo {step.name}: {error}") from error
        async with transaction(self.pool) as tx:
            await run.lock(tx)
            await operation.failed(await operation.load(tx, task), tx, self.clock)
            await self._end(run, tx, task, "FAILED", run.checkpoints[GAVE_UP])

    async def _perform(
        self,
        run: Run,
        task: Task,
        operation: Operation[Any],
        name: str,
        function: Callable[..., Awaitable[None]],
        way: str,
        told: tuple[str, int] | None = None,
    ) -> None:
        """One function of a step, with its checkpoint: `do:name` or `undo:name`. `told` is what the task says while
        it runs, and its progress."""
        async with transaction(self.pool) as tx:
            await run.lock(tx)
            if told is not None:
                await _tell(tx, task, "PROCESSING", told[0], self.clock, told[1])
            subject = await operation.load(tx, task)
            if side_of(function) == "tx":
                await function(subject, tx=tx)
                await run.checkpoint(tx, f"{way}:{name}", True)
                return
        client = await self.connect(operation.host_of(subject))
        node = Node(client, run, self.pool, f"{way}:{name}", task.deadline_at, self.clock, self.seal, self.isos)
        await function(subject, node=node)
        await run.save(self.pool, f"{way}:{name}", True)

    async def _end(self, run: Run, tx: Tx, task: Task, status: str, message: str) -> None:
        now = self.clock.now()
        progress = 100 if status == "COMPLETED" else task.progress
        await tx.execute(
            """update tasks set status = %s, message = %s, progress = %s, updated_at = %s, ended_at = %s
               where id = %s""",
            (status, message, progress, now, now, task.id),
        )
        await record_task(tx, task.id, now)
        await run.complete(tx)
        log.info("task %s %s: %s", task.id, status, message)


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


async def read_task(tx: Tx, run: Run) -> Task:
    async with tx.cursor(row_factory=class_row(Task)) as cursor:
        await cursor.execute(f"select {COLUMNS} from tasks where id = %s", (run.task_id,))
        task = await cursor.fetchone()
    if task is None:
        raise LookupError(f"task {run.task_id} has no row")
    return task


async def _tell(tx: Tx, task: Task, status: str, message: str, clock: Clock, progress: int | None = None) -> None:
    now = clock.now()
    cursor = await tx.execute(
        """update tasks t set status = %s, message = %s, progress = coalesce(%s, t.progress), updated_at = %s
           from tasks old where old.id = t.id and t.id = %s
           returning (old.status, old.message, old.progress) is distinct from (t.status, t.message, t.progress)""",
        (status, message, progress, now, task.id),
    )
    row = await cursor.fetchone()
    if row is not None and row[0]:
        await record_task(tx, task.id, now)


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
            except OperationalError:
                continue
            except LeaseLost:
                lost = True
                if inside is not None:
                    inside.cancel()
                return

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
