"""How an account stands: a function of what it can spend, how it stood, the terms and the time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from bluelobster.billing.standing import Account, Change, change_of
from bluelobster.billing.terms import BillingTerms

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = BillingTerms(launch_hours=1, warning_hours=[24, 72], shutdown_after_hours=24, deletion_after_hours=336)


def account(**changes: Any) -> Account:
    plain = {
        "id": UUID(int=1),
        "standing": "good",
        "next_step_at": None,
        "warned_hours": None,
        "exempt": False,
        "available_cents": 1000,
        "hours_left": None,
    }
    return Account(**{**plain, **changes})


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({}, None),
        ({"available_cents": 0}, None),
        ({"hours_left": 72}, None),
        ({"hours_left": 71}, Change("good", None, 72, "billing.low_credit")),
        ({"hours_left": 50, "warned_hours": 72}, None),
        ({"hours_left": 23, "warned_hours": 72}, Change("good", None, 24, "billing.low_credit")),
        ({"hours_left": 0}, Change("good", None, 24, "billing.low_credit")),
        ({"hours_left": 50, "warned_hours": 24}, Change("good", None, 72, None)),
        ({"hours_left": 500, "warned_hours": 24}, Change("good", None, None, None)),
        ({"available_cents": -1, "warned_hours": 24}, Change("past_due", NOW + DAY, None, "billing.past_due")),
        ({"available_cents": -1, "standing": "past_due", "next_step_at": NOW + timedelta(seconds=1)}, None),
        (
            {"available_cents": -1, "standing": "past_due", "next_step_at": NOW},
            Change("suspended", NOW + 14 * DAY, None, "billing.suspended"),
        ),
        (
            {"available_cents": -1, "standing": "past_due", "next_step_at": NOW - 90 * DAY},
            Change("suspended", NOW + 14 * DAY, None, "billing.suspended"),
        ),
        ({"available_cents": -1, "standing": "suspended", "next_step_at": NOW + DAY}, None),
        (
            {"available_cents": -1, "standing": "suspended", "next_step_at": NOW},
            Change("terminated", None, None, "billing.terminated"),
        ),
        ({"available_cents": -1, "standing": "terminated"}, None),
        (
            {"standing": "past_due", "next_step_at": NOW + DAY},
            Change("good", None, None, "billing.good_standing"),
        ),
        (
            {"standing": "suspended", "next_step_at": NOW - DAY, "hours_left": 3},
            Change("good", None, 24, "billing.good_standing"),
        ),
        ({"standing": "terminated"}, Change("good", None, None, "billing.good_standing")),
        ({"exempt": True, "available_cents": -(10**6)}, None),
        ({"exempt": True, "hours_left": 1}, None),
        (
            {"exempt": True, "available_cents": -1, "standing": "suspended", "next_step_at": NOW},
            Change("good", None, None, "billing.good_standing"),
        ),
    ],
)
def test_what_becomes_of_an_account(before: dict[str, Any], change: Change | None) -> None:
    assert change_of(account(**before), TERMS, NOW) == change


def test_nothing_changes_twice() -> None:
    """What was changed is as it should be, until time passes or money comes or goes."""
    for available in (-1, 0, 1):
        for hours in (None, 0, 30, 100):
            for standing, step in (("good", None), ("past_due", NOW), ("suspended", NOW), ("terminated", None)):
                before = account(available_cents=available, hours_left=hours, standing=standing, next_step_at=step)
                change = change_of(before, TERMS, NOW)
                if change is None:
                    continue
                after = account(
                    available_cents=available,
                    hours_left=hours,
                    standing=change.standing,
                    next_step_at=change.next_step_at,
                    warned_hours=change.warned_hours,
                )
                assert change_of(after, TERMS, NOW) is None


def test_levels_are_put_in_order() -> None:
    assert TERMS.warning_hours == [72, 24]
    assert TERMS.model_copy(update={"warning_hours": []}).warning(0) is None
