"""When a key or a session was last used, and from where: to the minute, and written when nobody waits for it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from psycopg import Error

from bluelobster.db.pool import Pool, transaction
from bluelobster.http.rates import MANY
from bluelobster.stopping import stop

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
# What comes in meanwhile is written together.
GATHER_SECONDS = 0.5


@dataclass(frozen=True)
class Use:
    """A moment, and the address that the key was used from."""

    at: datetime
    host: str


Write = Callable[[Pool, dict[str, Use]], Awaitable[None]]


class LastUses:
    """Notes uses without waiting, and writes them a little later: of each key one a minute."""

    def __init__(self, pool: Pool, write: Write, gather_seconds: float = GATHER_SECONDS) -> None:
        self._pool = pool
        self._write_all = write
        self._gather_seconds = gather_seconds
        self._noted: dict[str, datetime] = {}
        self._unwritten: dict[str, Use] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, name: str, host: str, now: datetime) -> None:
        """A key, or whatever goes by this name, is used."""
        noted = self._noted.get(name)
        if noted is not None and noted <= now < noted + EVERY:
            return
        if len(self._noted) >= MANY:
            self._noted.clear()
        self._noted[name] = now
        self._unwritten[name] = Use(now, host)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._unwritten:
            await asyncio.sleep(self._gather_seconds)
            uses, self._unwritten = self._unwritten, {}
            try:
                await self._write_all(self._pool, uses)
            except Error as error:
                log.warning("when %d keys or sessions were last used is not noted: %s", len(uses), error)
        self._writing = None

    async def close(self) -> None:
        if self._writing is not None:
            await stop(self._writing)


async def write(pool: Pool, uses: dict[str, Use]) -> None:
    """Uses of keys, by prefix. Other processes write, too: later uses win, within a minute the first does, and nobody
    waits for a row."""
    async with transaction(pool) as tx:
        await tx.execute(
            """update api_keys k set last_used_at = u.at, last_used_ip = u.ip
               from unnest(%(prefixes)s::text[], %(times)s::timestamptz[], %(hosts)s::inet[]) u (prefix, at, ip)
               where k.prefix = u.prefix and (k.last_used_at is null or k.last_used_at <= u.at - %(every)s)
                 and k.id in (select id from api_keys where prefix = any(%(prefixes)s)
                              for no key update skip locked)""",
            {
                "prefixes": list(uses),
                "times": [use.at for use in uses.values()],
                "hosts": [address_of(use.host) for use in uses.values()],
                "every": EVERY,
            },
        )


def address_of(host: str) -> str | None:
    """An address as PostgreSQL takes it, without the zone of a link-local one; None for what is none."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return None


@asynccontextmanager
async def last_uses(pool: Pool, write: Write) -> AsyncIterator[LastUses]:
    """For as long as the block lasts; what was not written by its end is not."""
    uses = LastUses(pool, write)
    try:
        yield uses
    finally:
        await uses.close()
