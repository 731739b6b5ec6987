"""Credit that staff gives or takes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from bluelobster.billing.ledger import balance_of, credit
from bluelobster.db.pool import Tx
from bluelobster.http.text import RequestBody

MOST_CENTS = 10**10


def not_zero(cents: int) -> int:
    """ValueError for an entry that would say nothing."""
    if cents == 0:
        raise ValueError("Must not be zero")
    return cents


class CreditRequest(RequestBody):
    """An entry in an account's ledger."""

    amount_cents: Annotated[int, Field(ge=-MOST_CENTS, le=MOST_CENTS), AfterValidator(not_zero)] = Field(
        description="US cents; less than nothing takes credit back", json_schema_extra={"example": 2500}
    )
    reason: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="What the ledger says about it", json_schema_extra={"example": "welcome"}
    )


class Credited(BaseModel):
    """The entry, and what the account then has."""

    account_id: UUID
    amount_cents: int
    reason: str
    balance_cents: int


async def give(tx: Tx, account_id: UUID, wanted: CreditRequest, now: datetime) -> Credited:
    """Give an account credit, or take it."""
    await credit(tx, account_id, wanted.amount_cents, wanted.reason, now)
    return Credited(
        account_id=account_id,
        amount_cents=wanted.amount_cents,
        reason=wanted.reason,
        balance_cents=await balance_of(tx, account_id),
    )
