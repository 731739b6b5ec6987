"""Clocks that tell what they are told."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bluelobster.clock import SystemClock


@dataclass
class SetClock:
    """`at` may be set forwards and backwards."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass
class WrongClock(SystemClock):
    """A machine's own, which does not keep time."""

    ahead: timedelta

    def now(self) -> datetime:
        return super().now() + self.ahead
