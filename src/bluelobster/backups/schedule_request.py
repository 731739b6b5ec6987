"""A backup schedule as it is asked for, checked."""

from typing import Any, get_args

from pydantic import Field

from bluelobster.backups.slots import Frequency, Rhythm
from bluelobster.http.errors import InvalidRequest
from bluelobster.http.text import RequestBody

FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)
KEEP = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")
MOST_KEPT = 1000


class BackupScheduleCreate(RequestBody):
    """When to make backups. What a frequency does not need is ignored. Of `enabled` and the `keep_` fields, what is
    left out stays as it is; a schedule without any `keep_` keeps all its backups."""

    frequency: str = Field(description="`daily`, `weekly` or `monthly`")
    hour_utc: int = Field(description="Hour of the day in UTC, 0 to 23")
    day_of_week: int | None = Field(None, description="For `weekly`: 0 (Monday) to 6 (Sunday)")
    day_of_month: int | None = Field(None, description="For `monthly`: 1 to 31; a shorter month uses its last day")
    enabled: bool | None = Field(None, description="`false` keeps the schedule and makes no backups; new ones are on")
    keep_last: int | None = Field(None, description="Keep so many of its last backups; null takes the rule away")
    keep_daily: int | None = Field(None, description="Keep the newest backup of each of so many days")
    keep_weekly: int | None = Field(None, description="Keep the newest backup of each of so many weeks")
    keep_monthly: int | None = Field(None, description="Keep the newest backup of each of so many months")


def checked_rhythm(wanted: BackupScheduleCreate) -> Rhythm:
    """Raises InvalidRequest `invalid_schedule`, which names the field, what is wrong with it, and what is right."""
    frequency = _frequency(wanted.frequency)
    return Rhythm(
        frequency,
        _within("hour_utc", wanted.hour_utc, 0, 23, "hours are those of UTC"),
        _day_of_week(wanted.day_of_week) if frequency == "weekly" else None,
        _day_of_month(wanted.day_of_month) if frequency == "monthly" else None,
    )


def checked_extension(wanted: BackupScheduleCreate) -> dict[str, Any]:
    """Those of the optional settings that were given. Raises InvalidRequest."""
    given = wanted.model_dump(include={"enabled", *KEEP}, exclude_unset=True)
    for name in KEEP:
        if given.get(name) is not None:
            _within(name, given[name], 1, MOST_KEPT, "leave it out or null for no such rule")
    return {name: value for name, value in given.items() if name in KEEP or value is not None}


def _frequency(text: str) -> Frequency:
    for known in FREQUENCIES:
        if text == known:
            return known
    near = next((f"; write {known}" for known in FREQUENCIES if known == text.strip().lower()), "")
    raise invalid("frequency", f"must be one of {', '.join(FREQUENCIES)}, not {text[:32]!a}{near}")


def _day_of_week(day: int | None) -> int:
    if day is None:
        raise invalid("day_of_week", "a weekly schedule needs one; give 0 (Monday) to 6 (Sunday)")
    return _within("day_of_week", day, 0, 6, "0 is Monday and 6 is Sunday")


def _day_of_month(day: int | None) -> int:
    if day is None:
        raise invalid("day_of_month", "a monthly schedule needs one; give 1 to 31")
    return _within("day_of_month", day, 1, 31, "a shorter month uses its last day")


def _within(name: str, number: int, least: int, most: int, hint: str) -> int:
    if not least <= number <= most:
        raise invalid(name, f"must be {least} to {most}, not {_short(number)}; {hint}")
    return number


def _short(number: int) -> str:
    """Some numbers are longer than a sentence should be, or than Python writes them out."""
    return str(number) if abs(number) < 10**12 else "a number of that size"


def invalid(field: str, why: str) -> InvalidRequest:
    """The refusal of a schedule because of one field."""
    return InvalidRequest("invalid_schedule", f"{field}: {why}", field=field)
