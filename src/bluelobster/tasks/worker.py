"""The worker: claims tasks as slots get free, and keeps going whatever happens to the database."""

import asyncio
import contextlib
import logging
import os
import socket
import time

from psycopg import AsyncConnection, Error, sql

from bluelobster.db.clocks import WRONG, wrong_by
from bluelobster.db.pool import watchful
from bluelobster.stopping import stop
from bluelobster.tasks.engine import Engine
from bluelobster.tasks.run import claim
from bluelobster.tasks.spawn import WAKE

log = logging.getLogger(__name__)

CLOCK_SECONDS = 10.0


class Worker:
    """Carries out up to `slots` tasks at once; a NOTIFY wakes it, and it looks by itself as well."""

    def __init__(self, engine: Engine, dsn: str, *, slots: int, lease_seconds: int, poll_seconds: float) -> None:
        self._engine = engine
        self._dsn = dsn
        self._slots = slots
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._clock_is_right = True
        self._next_look_at_the_clock = 0.0
        self._wake = asyncio.Event()
        self._waiting = False
        self._is_full = False
        self._running: set[asyncio.Task[None]] = set()

    @property
    def is_waiting(self) -> bool:
        """Whether there is nothing to claim at the moment."""
        return self._waiting

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def work(self) -> None:
        """Until cancelled; tasks under way are handed back to other workers then."""
        listener = asyncio.create_task(self._listen())
        try:
            while True:
                self._wake.clear()
                await self._claim_what_is_due()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._wait()
        finally:
            await stop(listener, *self._running)

    async def _wait(self) -> None:
        self._waiting = True
        try:
            await self._wake.wait()
        finally:
            self._waiting = False

    async def _claim_what_is_due(self) -> None:
        self._is_full = len(self._running) >= self._slots
        while free := self._slots - len(self._running):
            try:
                await self._look_at_the_clock()
                if not self._clock_is_right:
                    return
                runs = await claim(self._engine.pool, self._name, self._lease_seconds, free)
            except Error as error:
                log.warning("cannot claim tasks, the database refuses or does not answer: %s", error)
                return
            for run in runs:
                task = asyncio.create_task(self._engine.carry_out(run), name=f"task {run.task_id}")
                self._running.add(task)
                task.add_done_callback(self._forget)
            self._is_full = len(runs) == free
            if not self._is_full:
                return

    async def _look_at_the_clock(self) -> None:
        """What is done at a wrong time is charged from a wrong time on: that is left to others."""
        if time.monotonic() < self._next_look_at_the_clock:
            return
        async with self._engine.pool.connection() as connection:
            ahead = await wrong_by(connection, self._engine.clock)
        if ahead:
            log.error(f"nothing is carried out here: {WRONG}", ahead.total_seconds())
        self._clock_is_right = ahead is None
        self._next_look_at_the_clock = time.monotonic() + CLOCK_SECONDS

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._is_full:
            self.wake()
        if not task.cancelled() and (error := task.exception()):
            log.error("%s crashed; it is tried again when its claim runs out", task.get_name(), exc_info=error)

    async def _listen(self) -> None:
        """Turn notifications into wake-ups; without a connection, polling has to do."""
        while True:
            with contextlib.suppress(Error):
                async with await AsyncConnection.connect(
                    self._dsn, autocommit=True, **watchful(self._dsn)
                ) as connection:
                    await connection.execute(sql.SQL("listen {}").format(sql.Identifier(WAKE)))
                    async for _ in connection.notifies():
                        self.wake()
            await asyncio.sleep(1)
