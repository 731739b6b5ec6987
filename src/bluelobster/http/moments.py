"""Moments and days as they may come in: written out, moments with their time zone."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, ValidatorFunctionWrapHandler, WrapValidator

RULE = "Must be a time with its zone, such as 2026-11-23T10:00:00Z"


def _written_out(value: Any, parsed: ValidatorFunctionWrapHandler) -> datetime:
    """In UTC. A bare number could be seconds or milliseconds, and near the ends of the calendar there is no UTC."""
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError(RULE)
    try:
        moment: datetime = parsed(value)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(RULE) from None


Moment = Annotated[AwareDatetime, WrapValidator(_written_out)]

DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
DAY_RULE = "Must be a day, such as 2026-11-23"


def _day(value: Any, parsed: ValidatorFunctionWrapHandler) -> date:
    """A bare number would be taken for seconds."""
    if not isinstance(value, str) or not DAY.fullmatch(value):
        raise ValueError(DAY_RULE)
    try:
        day: date = parsed(value)
    except ValueError:
        raise ValueError(DAY_RULE) from None
    return day


Day = Annotated[date, WrapValidator(_day)]
