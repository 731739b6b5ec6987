"""Everybody's terms: what a launch needs, when there are warnings, and how long who owes has before each step.

They are in the database, so that all processes agree on them and a change needs no restart.
"""

from datetime import timedelta
from typing import Annotated

from psycopg.rows import class_row
from pydantic import Field, field_validator

from bluelobster.db.pool import Tx
from bluelobster.http.text import RequestBody

Hours = Annotated[int, Field(ge=0, le=8760, strict=True)]
MOST_WARNINGS = 10


class BillingTerms(RequestBody):
    """All in hours. A change of the last two holds for accounts that come into that step from then on."""

    launch_hours: Hours = Field(
        description="For so long an account's credit must last, with what it launches", json_schema_extra={"example": 1}
    )
    warning_hours: Annotated[
        list[Annotated[int, Field(ge=1, le=8760, strict=True)]], Field(max_length=MOST_WARNINGS)
    ] = Field(
        description="When the credit lasts less than this, there is a warning", json_schema_extra={"example": [72, 24]}
    )
    shutdown_after_hours: Hours = Field(
        description="So long after the credit ran out, instances are shut down", json_schema_extra={"example": 24}
    )
    deletion_after_hours: Hours = Field(
        description="So long after that, they are deleted with their backups", json_schema_extra={"example": 336}
    )

    @field_validator("warning_hours")
    @classmethod
    def _in_order(cls, hours: list[int]) -> list[int]:
        return sorted(set(hours), reverse=True)

    @property
    def until_shutdown(self) -> timedelta:
        return timedelta(hours=self.shutdown_after_hours)

    @property
    def until_deletion(self) -> timedelta:
        return timedelta(hours=self.deletion_after_hours)

    def warning(self, hours_left: int | None) -> int | None:
        """The lowest level that the credit has fallen below, if any; None lasts for ever."""
        return (
            None
            if hours_left is None
            else min((each for each in self.warning_hours if hours_left < each), default=None)
        )


async def read_terms(tx: Tx) -> BillingTerms:
    """As they are now."""
    async with tx.cursor(row_factory=class_row(BillingTerms)) as cursor:
        await cursor.execute(
            "select launch_hours, warning_hours, shutdown_after_hours, deletion_after_hours from billing_terms"
        )
        terms = await cursor.fetchone()
    if terms is None:
        raise LookupError("the terms are gone from the database")
    return terms


async def set_terms(tx: Tx, terms: BillingTerms) -> None:
    """From now on these hold."""
    await tx.execute(
        """update billing_terms set launch_hours = %(launch_hours)s, warning_hours = %(warning_hours)s,
                                    shutdown_after_hours = %(shutdown_after_hours)s,
                                    deletion_after_hours = %(deletion_after_hours)s""",
        terms.model_dump(),
    )
