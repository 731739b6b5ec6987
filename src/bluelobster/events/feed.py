"""Tells the streams of this process that there is something new: one connection listens for all of them."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import AsyncConnection, Error

from bluelobster.db.pool import Connection, watchful
from bluelobster.events.numbers import number_events
from bluelobster.events.record import WAKE
from bluelobster.http.errors import ApiError

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0
# Whoever is paused while it numbers events must not hold the order against everybody.
OPTIONS = "-c idle_in_transaction_session_timeout=10000"


class TooManyStreams(ApiError):
    """The key has as many streams as it may."""

    status = 429

    def __init__(self, most: int) -> None:
        super().__init__("too_many_streams", f"This key has {most} event streams open already; close one first")
        self.headers["Retry-After"] = "10"


@dataclass(eq=False)
class Watch:
    """One stream: which account's news it waits for. `over` is set when this process is about to end."""

    account_id: UUID
    key_prefix: str
    news: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Feed:
    """Listens for as long as anybody watches, and looks by itself every second: a notification may be lost, and
    progress does not send any."""

    def __init__(self, dsn: str, most_watches: int) -> None:
        self._dsn = dsn
        self._most = most_watches
        self._watches: set[Watch] = set()
        self._listening: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def watches(self) -> int:
        """How many streams there are at the moment."""
        return len(self._watches)

    @contextmanager
    def watch(self, account_id: UUID, key_prefix: str) -> Iterator[Watch]:
        """News for one stream while the block lasts. Raises TooManyStreams."""
        if Counter(each.key_prefix for each in self._watches)[key_prefix] >= self._most:
            raise TooManyStreams(self._most)
        watch = Watch(account_id, key_prefix)
        if self._closed:
            watch.over.set()
        self._watches.add(watch)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="event feed")
        try:
            yield watch
        finally:
            self._watches.discard(watch)
            if not self._watches and self._listening is not None:
                self._listening.cancel()
                self._listening = None

    def close(self) -> None:
        """End every stream, and those that still come: their clients go on elsewhere where they stopped."""
        self._closed = True
        for watch in self._watches:
            watch.over.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(
                    self._dsn, autocommit=True, options=OPTIONS, **watchful(self._dsn)
                ) as connection:
                    await self._follow(connection)
            except Error as error:
                log.warning("the event feed waits for the database: %s", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, connection: Connection) -> None:
        await connection.execute(f"listen {WAKE}")
        async with connection.transaction():
            last = await number_events(connection)
        for watch in self._watches:
            watch.news.set()
        while True:
            last = await self._tell_whom_it_concerns(connection, last)
            async with contextlib.aclosing(connection.notifies(timeout=POLL_SECONDS, stop_after=1)) as notifications:
                async for _ in notifications:
                    pass

    async def _tell_whom_it_concerns(self, connection: Connection, last: int) -> int:
        """Number what is new, and wake those who wait for news of its accounts; the highest number so far."""
        cursor = await connection.execute("select exists (select from events where number is null)")
        row = await cursor.fetchone()
        if row is not None and row[0]:
            async with connection.transaction():
                await number_events(connection)
        cursor = await connection.execute(
            "select max(number), array_agg(distinct account_id) from events where number > %s", (last,)
        )
        row = await cursor.fetchone()
        if row is None or row[0] is None:
            return last
        concerned = set(row[1])
        for watch in self._watches:
            if watch.account_id in concerned:
                watch.news.set()
        return int(row[0])
