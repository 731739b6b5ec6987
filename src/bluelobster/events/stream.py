"""Events as they happen: `text/event-stream`, as the HTML standard has it (9.2, server-sent events)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bluelobster.access.principal import Principal
from bluelobster.db.pool import Pool
from bluelobster.events.feed import Feed, Watch
from bluelobster.events.history import Wanted, events_after
from bluelobster.events.views import event_view
from bluelobster.http.errors import Forbidden, Unauthorized
from bluelobster.stopping import stop

BATCH = 100
HEARTBEAT_SECONDS = 15.0
LAST_WORD_SECONDS = 1.0
RECONNECT_MILLISECONDS = 2000
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]

Check = Callable[[], Awaitable[Principal]]


@dataclass(frozen=True)
class Reader:
    """What a stream reads, and how it looks whether its key is still good: `check` raises when it is not."""

    pool: Pool
    caller: Principal
    wanted: Wanted
    check: Check
    check_seconds: float


class EventStream(Response):
    """Events after `number`, for as long as the client stays. It holds one batch in memory and no connection of the
    database while it sends, so that a slow client slows only itself."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, reader: Reader, number: int) -> None:
        self.feed = feed
        self.reader = reader
        self.number = number
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.raw_headers = list(HEADERS)

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        with self.feed.watch(self.reader.caller.account_id, self.reader.caller.key_prefix) as watch:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await first_of(self._write(send, watch), until_gone(receive), watch.over.wait())
        # A client that reads nothing does not read the end either.
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send, watch: Watch) -> None:
        """Until the key is no longer good."""

        async def say(text: str) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        await say(f"retry: {RECONNECT_MILLISECONDS}\nid: {self.number}\n\n")
        caller = self.reader.caller
        clock = asyncio.get_running_loop().time
        checked = spoken = clock()
        while True:
            if clock() - checked >= self.reader.check_seconds:
                with suppress(OperationalError, PoolTimeout):
                    try:
                        caller = await self.reader.check()
                    except (Unauthorized, Forbidden):
                        return
                    checked = clock()
            watch.news.clear()
            text = await self._next(caller)
            if text is None and clock() - spoken >= HEARTBEAT_SECONDS:
                text = ": nothing new\n\n"
            if text is not None:
                await say(text)
                spoken = clock()
                continue
            until = min(spoken + HEARTBEAT_SECONDS, checked + self.reader.check_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(until - clock(), 0)):
                    await watch.news.wait()

    async def _next(self, caller: Principal) -> str | None:
        """The next events as text, or None where there are none, or the database does not answer."""
        try:
            async with self.reader.pool.connection() as tx:
                found = await events_after(tx, caller.sight, self.reader.wanted, self.number, BATCH)
        except (OperationalError, PoolTimeout):
            await asyncio.sleep(1)
            return None
        if not found:
            return None
        self.number = found[-1].number
        return "".join(server_sent(event_view(event)) for event in found)


def server_sent(view: dict[str, Any]) -> str:
    # In ASCII: some clients take more characters for the end of a line than the standard does.
    data = json.dumps(view, allow_nan=False, separators=(",", ":"))
    return f"id: {view['id']}\nevent: {view['kind']}\ndata: {data}\n\n"


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(*coroutines: Awaitable[Any]) -> None:
    """Until the first of them has ended; the others are cancelled. Raises what it died of."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await stop(*tasks)
    for task in ended:
        task.result()
