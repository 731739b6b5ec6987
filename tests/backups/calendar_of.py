"""The slots of a schedule, said of one day by itself: the calendar is gone through day by day."""

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from bluelobster.backups.slots import Rhythm

DAY = timedelta(days=1)


def has_slot(rhythm: Rhythm, day: date) -> bool:
    if rhythm.frequency == "weekly":
        return day.weekday() == rhythm.day_of_week
    if rhythm.frequency == "monthly":
        ends_a_month = (day + DAY).day == 1
        return day.day == rhythm.day_of_month or (ends_a_month and day.day < (rhythm.day_of_month or 0))
    return True


def by_calendar(rhythm: Rhythm, first: datetime, until: datetime) -> Iterator[datetime]:
    """Every slot from `first` to `until`."""
    for day in (first.date() + number * DAY for number in itertools.count()):
        slot = datetime(day.year, day.month, day.day, rhythm.hour_utc, tzinfo=UTC)
        if slot > until:
            return
        if slot >= first and has_slot(rhythm, day):
            yield slot
