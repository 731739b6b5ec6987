"""Moments as they may come in: written out, with their time zone."""

from datetime import UTC, datetime
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
