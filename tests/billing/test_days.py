"""Days and months in which use is counted, however late it is charged."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from billing.place import new_account, new_machine, records, rows
from bluelobster.billing.bill import bill
from bluelobster.billing.usage import begin_usage, end_usage
from bluelobster.db.pool import transaction
from set_clock import SetClock

BEGIN = datetime(2026, 3, 30, 21, 45, tzinfo=UTC)
DAYS = "select day, sum(seconds)::int / 3600.0, sum(amount_cents)::int from charges group by 1 order by 1"


async def charged(dsn: str, hours: int | None, *moments: datetime) -> list[tuple[Any, ...]]:
    """By day, the hours and cents of a machine at a dollar an hour that is used for so many hours, or still is."""
    async with records(dsn) as pool:
        async with transaction(pool) as tx:
            machine = await new_machine(tx, await new_account(tx, BEGIN), 100, BEGIN)
            await begin_usage(tx, machine, BEGIN)
            if hours:
                await end_usage(tx, machine, BEGIN + timedelta(hours=hours))
        for moment in moments:
            await bill(pool, SetClock(moment))
        async with pool.connection() as connection:
            found = await rows(connection, DAYS)
            months = await rows(connection, "select month, charged_cents::int from invoices")
            assert months == [(date(2026, 3, 1), sum(row[2] for row in found if row[0].month == 3))]
        return [(row[0].isoformat(), float(row[1]), row[2]) for row in found]


async def test_what_is_charged_late_is_counted_in_its_days(database: str) -> None:
    assert await charged(database, 30, datetime(2026, 4, 30, tzinfo=UTC)) == [
        ("2026-03-30", 2.0, 200),
        ("2026-03-31", 24.0, 2400),
        ("2026-04-01", 4.0, 400),
    ]


async def test_use_that_goes_on(database: str) -> None:
    """A half hour belongs to the day in which it is over."""
    assert await charged(database, None, BEGIN, datetime(2026, 4, 1, 2, 14, tzinfo=UTC)) == [
        ("2026-03-30", 2.0, 200),
        ("2026-03-31", 24.0, 2400),
        ("2026-04-01", 2.0, 200),
    ]


async def test_a_month_is_closed_an_hour_after_its_end(database: str) -> None:
    before, after = (datetime(2026, 4, 1, hour, 59, tzinfo=UTC) for hour in (0, 1))
    assert await charged(database, 1, before, after) == [("2026-03-30", 1.0, 100)]
