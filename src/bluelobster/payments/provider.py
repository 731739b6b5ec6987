"""What a payment provider does for us: it takes money on a page of its own, and tells what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

# Told of a payment: it has arrived; it is on its way, and may take days; it will not come; nobody paid in time;
# some or all of it was handed back; the payer's bank wants it back.
Fact = Literal["paid", "pending", "failed", "expired", "refunded", "disputed"]


@dataclass(frozen=True)
class Order:
    """What is to be paid for, until when."""

    top_up_id: UUID
    account_id: UUID
    amount_cents: int
    expires_at: datetime


@dataclass(frozen=True)
class Checkout:
    """Where it is paid."""

    session_id: str
    url: str


@dataclass(frozen=True)
class Told:
    """One fact about one payment, in the provider's words: nothing of it is true before it was held against our own
    row. `refunded_cents` is the sum of all that was handed back."""

    fact: Fact
    top_up_id: UUID | None
    account_id: str | None = None
    session_id: str | None = None
    payment_id: str | None = None
    amount_cents: int | None = None
    currency: str | None = None
    refunded_cents: int = 0


@dataclass(frozen=True)
class Notice:
    """An event of the provider's, which may come more than once and in any order; `told` is None for a kind that is
    none of our business."""

    event_id: str
    kind: str
    told: Told | None


class CannotBegin(Exception):
    """The provider did not make a checkout, or did not say so in time."""


class Provider(Protocol):
    """A payment provider. `name` is what its rows are kept under."""

    name: str

    async def begin(self, order: Order) -> Checkout:
        """A page on which the order can be paid; of the same order, always the same page. Raises CannotBegin."""

    def read(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Notice:
        """What a request that claims to come from the provider says. Raises InvalidRequest unless it does come from
        there, and lately."""
