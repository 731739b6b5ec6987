"""When a schedule asks for backups. A slot is computed from the calendar, never from the slot before it: nothing
drifts."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

Frequency = Literal["daily", "weekly", "monthly"]

DAY = timedelta(days=1)
SHORTEST = timedelta(microseconds=1)


@dataclass(frozen=True)
class Rhythm:
    """How often, and when. Days of the week count from 0, which is Monday; a month that is too short for
    `day_of_month` has its slot on its last day."""

    frequency: Frequency
    hour_utc: int
    day_of_week: int | None = None
    day_of_month: int | None = None


def next_slot(rhythm: Rhythm, after: datetime) -> datetime:
    """The first slot later than a moment."""
    slot = _first_from(rhythm, after.astimezone(UTC).date())
    return slot if slot > after else _first_from(rhythm, slot.date() + DAY)


def slots(rhythm: Rhythm, first: datetime, until: datetime) -> Iterator[datetime]:
    """All slots from `first` to `until`, both included."""
    slot = next_slot(rhythm, first - SHORTEST)
    while slot <= until:
        yield slot
        slot = next_slot(rhythm, slot)


def is_too_late(rhythm: Rhythm, slot: datetime, now: datetime) -> bool:
    """Whether a slot is older than half its period, which lasts until the next slot."""
    return now - slot > (next_slot(rhythm, slot) - slot) / 2


def _first_from(rhythm: Rhythm, day: date) -> datetime:
    """The first slot on a day or a later one."""
    if rhythm.day_of_week is not None:
        day += DAY * ((rhythm.day_of_week - day.weekday()) % 7)
    if rhythm.day_of_month is not None:
        this_month = _in_month(day, rhythm.day_of_month)
        day = this_month if this_month >= day else _in_month(_month_after(day), rhythm.day_of_month)
    return datetime.combine(day, time(rhythm.hour_utc), UTC)


def _in_month(month: date, day_of_month: int) -> date:
    return month.replace(day=min(day_of_month, monthrange(month.year, month.month)[1]))


def _month_after(day: date) -> date:
    return (day.replace(day=28) + 4 * DAY).replace(day=1)
