"""The billing rule, as the database knows it: steps, the nearest number of them, and whole cents."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

BEGAN = datetime(2026, 4, 11, 15, 43, 15, tzinfo=UTC)


@pytest.fixture
def ask(database: str) -> Any:
    with psycopg.connect(database) as connection:

        def answer(query: str, *values: Any) -> Any:
            row = connection.execute(f"select {query}", values).fetchone()
            return row[0] if row else None

        yield answer


def half_hours(ask: Any, used: timedelta, *, over: bool = True) -> int:
    ended = BEGAN + used if over else None
    steps: int = ask("billed_steps(%s, %s, %s, 1800, 1)", BEGAN, ended, BEGAN + used)
    return steps


def test_the_contract_s_own_example(ask: Any) -> None:
    used = datetime(2026, 4, 12, 11, 21, 48, tzinfo=UTC) - BEGAN
    assert used == timedelta(hours=19, minutes=38, seconds=33)
    steps = half_hours(ask, used)
    assert (steps / 2, ask("billed_cents(%s, 120 * 1800, 3600)", steps)) == (19.5, 2340)


def test_half_hours(ask: Any) -> None:
    """Whole ones while it lasts; the nearest number once it is over, and at least one."""
    for seconds, lasting, over in (
        (0, 0, 1), (1, 0, 1), (1799, 0, 1), (1800, 1, 1), (2699, 1, 1), (2700, 1, 2), (3600, 2, 2), (4499, 2, 2),
        (4500, 2, 3), (86400, 48, 48),
    ):  # fmt: skip
        used = timedelta(seconds=seconds)
        assert (half_hours(ask, used, over=False), half_hours(ask, used)) == (lasting, over), seconds
    assert half_hours(ask, timedelta(hours=-3), over=False) == 0
    assert half_hours(ask, timedelta(days=400, microseconds=-1)) == 400 * 48


def test_whole_cents(ask: Any) -> None:
    for steps, cents, for_steps, cost in ((0, 5, 2, 0), (1, 5, 2, 3), (2, 5, 2, 5), (3, 1, 7, 0), (4, 1, 7, 1)):
        assert ask("billed_cents(%s, %s, %s)", steps, cents, for_steps) == cost
    a_century_of_an_exabyte = ask("billed_cents(%s, 5 * 2::numeric ^ 60, 730 * 3600 * 2::numeric ^ 30)", 100 * 31536000)
    assert a_century_of_an_exabyte == 5 * 2**30 * 1200


def test_a_month_has_730_hours(ask: Any) -> None:
    address = """cents_of(json_populate_record(null::address_usage_periods,
                 '{"price_cents_per_month": 300, "step_seconds": 3600}'), %s)"""
    assert [ask(address, hours) for hours in (1, 2, 73, 730, 8760)] == [0, 1, 30, 300, 3600]
    backup = """cents_of(json_populate_record(null::backup_usage_periods,
                 '{"price_cents_per_month": 5, "step_seconds": 1, "size_bytes": 10737418240}'), %s)"""
    assert [ask(backup, hours * 3600) for hours in (7, 8, 73, 730)] == [0, 1, 5, 50]
