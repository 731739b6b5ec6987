"""Buckets in Redis, shared by any number of API processes; in memory for as long as Redis does not answer."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bluelobster.http.rates import Allowance, MemoryRates, Rate, allowance

log = logging.getLogger(__name__)

ANSWER_SECONDS = 0.1
PAUSE_SECONDS = 1.0
CONNECTIONS = 16
MICROSECONDS = 1_000_000

# Redis's own clock counts, so that processes on several machines agree.
TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local drip, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + drip
local full_in = full_at - now
if full_in <= burst * drip + 1 then
  redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil(full_in / 1000))
end
return string.format('%.0f', full_in)
"""
FAILURES = (RedisError, OSError, TimeoutError)


class SharedRates:
    """One operation of Redis a request. When one fails, a single request a second tries again; all others are counted
    in memory meanwhile, by each process for itself."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._take = redis.register_script(TAKE)
        self._alone = MemoryRates()
        self._broken = False
        self._try_again_at = 0.0

    async def take(self, name: str, rate: Rate) -> Allowance:
        if self._broken:
            if time.monotonic() < self._try_again_at:
                return await self._alone.take(name, rate)
            self._try_again_at = time.monotonic() + PAUSE_SECONDS
        drip = MICROSECONDS / rate.per_second
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                full_in = await self._take(keys=[f"bluelobster:rate:{name}"], args=[drip, rate.burst])
        except FAILURES as error:
            self._fail(error)
            return await self._alone.take(name, rate)
        self._recover()
        return allowance(rate, int(full_in) / MICROSECONDS)

    async def answers(self) -> bool:
        """Whether Redis is there right now."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._redis.ping()
        except FAILURES as error:
            self._fail(error)
            return False
        self._recover()
        return True

    def _fail(self, error: Exception) -> None:
        if not self._broken:
            log.error("Redis does not answer, each process limits requests by itself: %s", type(error).__name__)
        self._broken = True
        self._try_again_at = time.monotonic() + PAUSE_SECONDS

    def _recover(self) -> None:
        if self._broken:
            log.info("Redis answers again")
        self._broken = False


@asynccontextmanager
async def shared_rates(url: str) -> AsyncIterator[SharedRates]:
    """Through connections that are made when they are needed; Redis need not be there yet. ValueError for what is no
    address of a Redis."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    redis = Redis.from_pool(pool)
    try:
        yield SharedRates(redis)
    finally:
        await redis.aclose()
