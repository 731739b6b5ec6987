"""When a schedule asks for backups, against a calendar that is gone through day by day."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.calendar_of import DAY, by_calendar
from bluelobster.backups.slots import Rhythm, is_too_late, next_slot, slots

HOUR = timedelta(hours=1)
CENTURY = timedelta(days=103 * 365)
MOMENTS = st.timedeltas(timedelta(), CENTURY).map(lambda span: datetime(1999, 1, 1, tzinfo=UTC) + span)
HOURS = st.integers(0, 23)
RHYTHMS = st.one_of(
    st.builds(Rhythm, st.just("daily"), HOURS),
    st.builds(Rhythm, st.just("weekly"), HOURS, day_of_week=st.integers(0, 6)),
    st.builds(Rhythm, st.just("monthly"), HOURS, day_of_month=st.integers(1, 31)),
)
UNHURRIED = settings(deadline=None)


@UNHURRIED
@given(RHYTHMS, MOMENTS, st.integers(0, 430))
def test_slots_are_those_of_the_calendar(rhythm: Rhythm, first: datetime, days: int) -> None:
    until = first + days * DAY
    assert list(slots(rhythm, first, until)) == list(by_calendar(rhythm, first, until))


@UNHURRIED
@given(RHYTHMS, MOMENTS)
def test_the_next_slot_is_the_first_one_later(rhythm: Rhythm, moment: datetime) -> None:
    slot = next_slot(rhythm, moment)
    assert slot == next(each for each in by_calendar(rhythm, moment, moment + 32 * DAY) if each > moment)
    assert next_slot(rhythm, slot) > slot
    assert next_slot(rhythm, slot - timedelta(microseconds=1)) == slot


@pytest.mark.parametrize(
    ("year", "wanted", "days"),
    [
        (2027, 31, [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]),
        (2028, 30, [30, 29, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30]),
        (2100, 29, [29, 28, 29, 29, 29, 29, 29, 29, 29, 29, 29, 29]),
        (2000, 29, [29] * 12),
    ],
)
def test_a_shorter_month_uses_its_last_day(year: int, wanted: int, days: list[int]) -> None:
    rhythm = Rhythm("monthly", 4, day_of_month=wanted)
    found = slots(rhythm, datetime(year, 1, 1, tzinfo=UTC), datetime(year, 12, 31, 23, tzinfo=UTC))
    assert [(slot.month, slot.day, slot.hour) for slot in found] == [(n + 1, day, 4) for n, day in enumerate(days)]


@pytest.mark.parametrize(
    ("rhythm", "slot", "half"),
    [
        (Rhythm("daily", 3), datetime(2028, 2, 28, 3, tzinfo=UTC), 12 * HOUR),
        (Rhythm("weekly", 3, day_of_week=0), datetime(2026, 11, 23, 3, tzinfo=UTC), 84 * HOUR),
        (Rhythm("monthly", 3, day_of_month=31), datetime(2027, 1, 31, 3, tzinfo=UTC), 14 * DAY),
        (Rhythm("monthly", 3, day_of_month=31), datetime(2028, 1, 31, 3, tzinfo=UTC), 14.5 * DAY),
    ],
)
def test_a_slot_is_too_late_after_half_its_period(rhythm: Rhythm, slot: datetime, half: timedelta) -> None:
    assert not is_too_late(rhythm, slot, slot + half)
    assert is_too_late(rhythm, slot, slot + half + timedelta(seconds=1))


@UNHURRIED
@given(MOMENTS, st.sampled_from([timedelta(hours=each) for each in (-11, -3, 5.5, 14)]))
def test_another_time_zone_changes_nothing(moment: datetime, offset: timedelta) -> None:
    rhythm = Rhythm("monthly", 0, day_of_month=1)
    from_elsewhere = moment.astimezone(timezone(offset))
    assert next_slot(rhythm, from_elsewhere) == next_slot(rhythm, moment)
