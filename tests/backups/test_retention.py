"""Which backups of a schedule are kept."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelobster.backups.retention import Kept, Rules, to_prune

COUNTS = st.none() | st.integers(1, 9)
RULES = st.builds(Rules, COUNTS, COUNTS, COUNTS, COUNTS)
# Close together and far apart, across the ends of years.
SPANS = st.timedeltas(timedelta(), timedelta(days=20)) | st.timedeltas(timedelta(days=-700), timedelta(days=700))
MOMENTS = SPANS.map(lambda span: datetime(2027, 12, 20, tzinfo=UTC) + span)
BACKUPS = st.lists(MOMENTS, max_size=40).map(lambda moments: [backup(n, at) for n, at in enumerate(moments)])
UNHURRIED = settings(deadline=None)


def backup(number: int, at: datetime) -> Kept:
    return Kept(UUID(int=number), at)


def kept(backups: list[Kept], rules: Rules) -> list[Kept]:
    """What is left, newest first."""
    gone = {each.id for each in to_prune(backups, rules)}
    left = [each for each in backups if each.id not in gone]
    return sorted(left, key=lambda each: (each.created_at, each.id), reverse=True)


@UNHURRIED
@given(BACKUPS)
def test_without_rules_all_are_kept(backups: list[Kept]) -> None:
    assert to_prune(backups, Rules()) == []


@UNHURRIED
@given(BACKUPS, RULES)
def test_the_newest_is_kept(backups: list[Kept], rules: Rules) -> None:
    if backups:
        assert max(backups, key=lambda each: (each.created_at, each.id)) in kept(backups, rules)


@UNHURRIED
@given(BACKUPS, RULES)
def test_a_second_time_prunes_nothing(backups: list[Kept], rules: Rules) -> None:
    assert to_prune(kept(backups, rules), rules) == []


@UNHURRIED
@given(BACKUPS, RULES, st.randoms(use_true_random=False))
def test_the_order_in_which_they_come_does_not_matter(backups: list[Kept], rules: Rules, random: Random) -> None:
    shuffled = random.sample(backups, len(backups))
    assert to_prune(shuffled, rules) == to_prune(backups, rules)


@UNHURRIED
@given(BACKUPS, RULES)
def test_as_many_are_kept_as_the_rules_say(backups: list[Kept], rules: Rules) -> None:
    counts = [count for count in vars(rules).values() if count]
    left = kept(backups, rules)
    if counts:
        assert min(len(backups), rules.keep_last or 1) <= len(left) <= sum(counts)
    assert left[: rules.keep_last or 0] == kept(backups, Rules())[: rules.keep_last or 0]


@UNHURRIED
@given(BACKUPS, st.integers(1, 9))
def test_the_newest_of_each_of_the_last_days(backups: list[Kept], count: int) -> None:
    newest = {each.created_at.strftime("%F"): each for each in reversed(kept(backups, Rules()))}
    expected = [newest[day] for day in sorted(newest, reverse=True)[:count]]
    assert kept(backups, Rules(keep_daily=count)) == expected


@UNHURRIED
@given(BACKUPS, st.integers(1, 9))
def test_the_newest_of_each_of_the_last_weeks(backups: list[Kept], count: int) -> None:
    newest = {each.created_at.strftime("%G %V"): each for each in reversed(kept(backups, Rules()))}
    expected = [newest[week] for week in sorted(newest, reverse=True)[:count]]
    assert kept(backups, Rules(keep_weekly=count)) == expected


@UNHURRIED
@given(BACKUPS, RULES, st.sampled_from(list(vars(Rules()))))
def test_one_more_never_keeps_less(backups: list[Kept], rules: Rules, rule: str) -> None:
    """Where a rule is the only one; together, a rule that reaches further moves the next one back."""
    count = vars(rules)[rule] or 1
    less, more = kept(backups, Rules(**{rule: count})), kept(backups, Rules(**{rule: count + 1}))
    assert more[: len(less)] == less


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Rules(keep_last=3), [0, 1, 2]),
        (Rules(keep_daily=3), [0, 1, 2]),
        (Rules(keep_last=1, keep_daily=1), [0, 1]),
        (Rules(keep_weekly=2), [0, 2]),
        (Rules(keep_daily=1, keep_weekly=2), [0, 2, 9]),
        (Rules(keep_last=1, keep_monthly=2), [0, 24, 55]),
        (Rules(keep_last=2, keep_daily=2, keep_weekly=1, keep_monthly=1), [0, 1, 2, 3, 9, 24]),
    ],
)
def test_rules_act_one_after_the_other(rules: Rules, expected: list[int]) -> None:
    """A backup each night, the last one on Tuesday, 24 November 2026: `expected` are the nights before it."""
    tuesday = datetime(2026, 11, 24, 3, tzinfo=UTC)
    nightly = [backup(number, tuesday - number * timedelta(days=1)) for number in range(90)]
    assert [each.id.int for each in kept(nightly, rules)] == expected
