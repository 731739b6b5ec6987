"""Stripe's events, as far as they are about top-ups (https://docs.stripe.com/api/events/types)."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from bluelobster.payments.provider import Fact, Notice, Told

# What we write onto a checkout session and its payment; Stripe copies the latter onto the charge.
TOP_UP, ACCOUNT = "bluelobster_top_up", "bluelobster_account"


class Payload(BaseModel):
    object: dict[str, Any]


class Event(BaseModel):
    """The part that all events have."""

    id: str = Field(min_length=1, max_length=255)
    type: str = Field(min_length=1, max_length=100)
    data: Payload


class Session(BaseModel):
    """A checkout session."""

    id: str
    payment_status: str
    amount_total: int
    currency: str
    payment_intent: str | None = None
    metadata: Mapping[str, str] | None = None


class Charge(BaseModel):
    """Money that was taken; `amount_refunded` is the sum of all that was handed back."""

    amount: int
    amount_refunded: int
    currency: str
    payment_intent: str | None = None
    metadata: Mapping[str, str] | None = None


class Dispute(BaseModel):
    """The payer's bank wants money back. Of the payment it says only which one."""

    payment_intent: str | None = None


def notice_of(body: bytes) -> Notice:
    """An event. Raises ValueError for what does not have the shape of one."""
    event = Event.model_validate_json(body)
    read = READ.get(event.type)
    return Notice(event.id, event.type, read(event.data.object) if read else None)


def _completed(found: dict[str, Any]) -> Told:
    session = Session.model_validate(found)
    return _of_session(session, "paid" if session.payment_status == "paid" else "pending")


def _session(fact: Fact) -> Callable[[dict[str, Any]], Told]:
    return lambda found: _of_session(Session.model_validate(found), fact)


def _of_session(session: Session, fact: Fact) -> Told:
    top_up_id, account_id = _ours(session.metadata)
    return Told(
        fact,
        top_up_id,
        account_id,
        session.id,
        session.payment_intent,
        session.amount_total,
        session.currency,
    )


def _refunded(found: dict[str, Any]) -> Told:
    charge = Charge.model_validate(found)
    top_up_id, account_id = _ours(charge.metadata)
    return Told(
        "refunded",
        top_up_id,
        account_id,
        payment_id=charge.payment_intent,
        amount_cents=charge.amount,
        currency=charge.currency,
        refunded_cents=charge.amount_refunded,
    )


def _disputed(found: dict[str, Any]) -> Told:
    return Told("disputed", None, payment_id=Dispute.model_validate(found).payment_intent)


def _ours(metadata: Mapping[str, str] | None) -> tuple[UUID | None, str | None]:
    """The top-up and the account that it is said to be about."""
    said = metadata or {}
    try:
        return UUID(said.get(TOP_UP, "")), said.get(ACCOUNT)
    except ValueError:
        return None, said.get(ACCOUNT)


READ: Mapping[str, Callable[[dict[str, Any]], Told]] = {
    "checkout.session.completed": _completed,
    "checkout.session.async_payment_succeeded": _session("paid"),
    "checkout.session.async_payment_failed": _session("failed"),
    "checkout.session.expired": _session("expired"),
    "charge.refunded": _refunded,
    "charge.dispute.created": _disputed,
}
