"""Calendar months in UTC, by which money is summed up."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True)
class Month:
    """It begins at `began`, and the next one at `ends`."""

    began: datetime
    ends: datetime

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The month that a moment is in."""
        began = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        years, month = divmod(began.month, 12)
        return cls(began, began.replace(year=began.year + years, month=month + 1))

    @classmethod
    def on(cls, day: date) -> "Month":
        """The month that a day is in."""
        return cls.of(datetime(day.year, day.month, day.day, tzinfo=UTC))

    @property
    def first(self) -> date:
        """Its first day, by which records name it."""
        return self.began.date()

    def until(self, moment: datetime) -> Iterator["Month"]:
        """This month and the next ones that are over at a moment."""
        month = self
        while month.ends <= moment:
            yield month
            month = Month.of(month.ends)
