"""How many requests somebody may make: a bucket that holds a burst and fills at a steady rate.

A bucket is one number, the moment at which it is full again (the generic cell rate algorithm): a request moves it on by
the time that one takes to drip in, and is refused where it would lie further ahead than a whole burst.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from bluelobster.http.errors import ApiError

MANY = 10_000
ROUNDING = 1e-6


@dataclass(frozen=True)
class Rate:
    """At most `burst` requests at once and `per_second` for long."""

    per_second: float
    burst: int


@dataclass(frozen=True)
class Allowance:
    """What one request met: how many more are possible now, seconds until the whole burst is, and until this one is."""

    rate: Rate
    remaining: int
    full_in: float
    retry_in: float

    @property
    def granted(self) -> bool:
        return self.retry_in <= 0

    def headers(self) -> dict[str, str]:
        counted = {
            "RateLimit-Limit": str(self.rate.burst),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(ceil(self.full_in)),
        }
        return counted if self.granted else {**counted, "Retry-After": str(max(1, ceil(self.retry_in)))}


class TooManyRequests(ApiError):
    """More than is allowed; the answer says when to try again."""

    status = 429

    def __init__(self, allowance: Allowance) -> None:
        rate = allowance.rate
        allowed = f"{rate.burst} at once, then {rate.per_second:g} a second"
        super().__init__("rate_limit_exceeded", f"Too many requests; allowed are {allowed}")
        self.headers = allowance.headers()


class Rates(Protocol):
    """Buckets by name."""

    async def take(self, name: str, rate: Rate) -> Allowance:
        """Take one request out of a bucket, unless that is empty."""


def allowance(rate: Rate, full_in: float) -> Allowance:
    """Of a bucket that is full in so many seconds, the request that is asked for included."""
    drip = 1 / rate.per_second
    retry_in = full_in - rate.burst * drip
    if retry_in > ROUNDING:
        return Allowance(rate, 0, full_in - drip, retry_in)
    return Allowance(rate, int(rate.burst - full_in * rate.per_second + ROUNDING), full_in, 0)


class MemoryRates:
    """Buckets of this process alone."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._full_at: dict[str, float] = {}
        self._sweep_beyond = MANY

    async def take(self, name: str, rate: Rate) -> Allowance:
        now = self._monotonic()
        full_at = max(self._full_at.get(name, now), now) + 1 / rate.per_second
        taken = allowance(rate, full_at - now)
        if taken.granted:
            self._full_at[name] = full_at
            if len(self._full_at) > self._sweep_beyond:
                self._sweep(now)
        return taken

    def _sweep(self, now: float) -> None:
        """A bucket that is full need not be remembered."""
        self._full_at = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
        self._sweep_beyond = max(MANY, 2 * len(self._full_at))

    def __len__(self) -> int:
        return len(self._full_at)
