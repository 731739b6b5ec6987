"""What a provider tells about a payment, and what becomes of it: each event once, in whatever order they come.

Money that has arrived counts, whatever was said before: also of a top-up that had expired or failed here. What was
handed back before its payment is told of waits on the row. Everything happens in one transaction: the event's own row,
the top-up's, the entry in the ledger. The order of locks is event, top-up, account.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.billing.ledger import enter
from bluelobster.db.pool import Tx
from bluelobster.events.record import record_account
from bluelobster.payments.provider import Notice, Told
from bluelobster.payments.top_up import Status

log = logging.getLogger(__name__)

CURRENCY = "usd"

# It did what it says; or it was seen before, is of a kind that says nothing to us, is about somebody else's payment,
# says something else than our own row, told nothing new, or is kept until the payment is told of.
Outcome = Literal["done", "seen", "unknown_kind", "not_ours", "contradiction", "nothing_new", "waits"]


@dataclass(frozen=True)
class Row:
    """A top-up, which is held until the end of the transaction."""

    id: UUID
    account_id: UUID
    amount_cents: int
    refunded_cents: int
    status: Status
    session_id: str | None
    payment_id: str | None
    ledger_id: int | None


async def receive(tx: Tx, provider: str, notice: Notice, now: datetime) -> Outcome:
    """Do what an event asks for, unless it was done already."""
    claimed = await tx.execute(
        """insert into payment_events (provider, event_id, kind, received_at) values (%s, %s, %s, %s)
           on conflict do nothing""",
        (provider, notice.event_id, notice.kind, now),
    )
    if not claimed.rowcount:
        return "seen"
    row = await _hold(tx, provider, notice.told) if notice.told else None
    outcome = await _outcome(tx, row, notice, now)
    await tx.execute(
        "update payment_events set outcome = %s, top_up_id = %s where provider = %s and event_id = %s",
        (outcome, row.id if row else None, provider, notice.event_id),
    )
    return outcome


async def _hold(tx: Tx, provider: str, told: Told) -> Row | None:
    async with tx.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            """select id, account_id, amount_cents, refunded_cents, status, session_id, payment_id, ledger_id
               from top_ups
               where provider = %(provider)s
                 and (id = %(id)s or %(id)s::uuid is null and payment_id = %(payment_id)s)
               for no key update""",
            {"provider": provider, "id": told.top_up_id, "payment_id": told.payment_id},
        )
        return await cursor.fetchone()


async def _outcome(tx: Tx, row: Row | None, notice: Notice, now: datetime) -> Outcome:
    told = notice.told
    if told is None:
        return "unknown_kind"
    if row is None:
        return "not_ours"
    if fields := contradictions(row, told):
        log.error("event %s (%s) contradicts top-up %s in %s", notice.event_id, notice.kind, row.id, ", ".join(fields))
        return "contradiction"
    match told.fact:
        case "paid":
            return await _paid(tx, row, told, now)
        case "refunded":
            return await _refunded(tx, row, told, now)
        case "disputed":
            return await _disputed(tx, row, now)
        case "pending":
            return await _move(tx, row, told, ("open", "expired"), "pending", None)
        case "expired":
            return await _move(tx, row, told, ("open",), "expired", now)
        case "failed":
            return await _move(tx, row, told, ("open", "pending", "expired"), "failed", now)


def contradictions(row: Row, told: Told) -> list[str]:
    """In what an event says something else than the row that it names."""
    pairs = {
        "account": (told.account_id, str(row.account_id)),
        "session": (told.session_id, row.session_id),
        "payment": (told.payment_id, row.payment_id),
        "amount": (told.amount_cents, row.amount_cents),
        "currency": (told.currency, CURRENCY),
    }
    different = [name for name, (theirs, ours) in pairs.items() if None not in (theirs, ours) and theirs != ours]
    return different if 0 <= told.refunded_cents <= row.amount_cents else [*different, "refunded amount"]


async def _paid(tx: Tx, row: Row, told: Told, now: datetime) -> Outcome:
    if row.ledger_id is not None:
        return "nothing_new"
    await record_account(
        tx, "billing.payment", row.account_id, now, top_up_id=str(row.id), amount_cents=row.amount_cents
    )
    entry = await enter(tx, row.account_id, "payment", row.amount_cents, f"Top-up {row.id}", now)
    await tx.execute(
        """update top_ups set status = 'paid', ledger_id = %s, session_id = coalesce(session_id, %s), url = null,
                              payment_id = coalesce(payment_id, %s), ended_at = %s where id = %s""",
        (entry, told.session_id, told.payment_id, now, row.id),
    )
    if row.refunded_cents:
        await _hand_back(tx, row, row.refunded_cents, now)
    return "done"


async def _refunded(tx: Tx, row: Row, told: Told, now: datetime) -> Outcome:
    more = told.refunded_cents - row.refunded_cents
    if more <= 0:
        return "nothing_new"
    await tx.execute(
        "update top_ups set refunded_cents = %s, payment_id = coalesce(payment_id, %s) where id = %s",
        (told.refunded_cents, told.payment_id, row.id),
    )
    if row.ledger_id is None:
        return "waits"
    await _hand_back(tx, row, more, now)
    return "done"


async def _hand_back(tx: Tx, row: Row, cents: int, now: datetime) -> None:
    await enter(tx, row.account_id, "refund", -cents, f"Refund of top-up {row.id}", now)
    await tx.execute(
        "update top_ups set status = 'refunded' where id = %s and refunded_cents = amount_cents", (row.id,)
    )
    await record_account(tx, "billing.refund", row.account_id, now, top_up_id=str(row.id), amount_cents=cents)


async def _disputed(tx: Tx, row: Row, now: datetime) -> Outcome:
    """Only people can tell how it ends, and what to do about the account until then."""
    log.warning("the payment of top-up %s of account %s is disputed", row.id, row.account_id)
    await tx.execute("update top_ups set disputed_at = coalesce(disputed_at, %s) where id = %s", (now, row.id))
    return "done"


async def _move(
    tx: Tx, row: Row, told: Told, states: tuple[Status, ...], status: Status, ended_at: datetime | None
) -> Outcome:
    if row.status not in states:
        return "nothing_new"
    await tx.execute(
        """update top_ups set status = %s, ended_at = %s, url = null, session_id = coalesce(session_id, %s),
                              payment_id = coalesce(payment_id, %s) where id = %s""",
        (status, ended_at, told.session_id, told.payment_id, row.id),
    )
    return "done"
