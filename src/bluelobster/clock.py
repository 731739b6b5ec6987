"""The time of day, handed in wherever it matters so that tests can say what it is."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The current time in UTC."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def rfc3339_sql(column: str) -> str:
    """What PostgreSQL makes of a timestamptz to say the same as `rfc3339`."""
    return f"""to_char({column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


def rfc3339(moment: datetime) -> str:
    """A time as the API writes it: UTC, whole seconds, `2026-11-23T10:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
