"""An account's standing: good, until it owes more than it may; then past due, suspended and terminated, in time.

Each step is taken when its time has come *and* somebody looks, and gives the whole time until the next one from then:
an outage of ours shortens nobody's. Whoever pays in time stands well at once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.billing.terms import BillingTerms
from bluelobster.clock import rfc3339
from bluelobster.db.pool import Tx
from bluelobster.events.record import StandingKind, record_account

Standing = Literal["good", "past_due", "suspended", "terminated"]
Pays = Literal["prepaid", "invoice"]

COLUMNS = """a.id, a.standing, a.next_step_at, a.warned_hours, m.exempt, m.available_cents, m.hours_left
             from accounts a join means m on m.account_id = a.id"""


@dataclass(frozen=True)
class Account:
    """How an account stands, and what it can spend."""

    id: UUID
    standing: Standing
    next_step_at: datetime | None
    warned_hours: int | None
    exempt: bool
    available_cents: int
    hours_left: int | None


@dataclass(frozen=True)
class Change:
    """How an account stands from now on, and what its people are told of it."""

    standing: Standing
    next_step_at: datetime | None
    warned_hours: int | None
    tell: StandingKind | None


def change_of(account: Account, terms: BillingTerms, now: datetime) -> Change | None:
    """What has to become of an account now; None where nothing has."""
    wanted = _wanted(account, terms, now)
    same = (account.standing, account.next_step_at, account.warned_hours)
    return None if (wanted.standing, wanted.next_step_at, wanted.warned_hours) == same else wanted


def _wanted(account: Account, terms: BillingTerms, now: datetime) -> Change:
    if account.exempt or account.available_cents >= 0:
        return _in_good_standing(account, terms)
    if account.standing == "good":
        return Change("past_due", now + terms.until_shutdown, None, "billing.past_due")
    if account.next_step_at is None or now < account.next_step_at:
        return Change(account.standing, account.next_step_at, account.warned_hours, None)
    if account.standing == "past_due":
        return Change("suspended", now + terms.until_deletion, None, "billing.suspended")
    return Change("terminated", None, None, "billing.terminated")


def _in_good_standing(account: Account, terms: BillingTerms) -> Change:
    level = None if account.exempt else terms.warning(account.hours_left)
    deeper = level is not None and (account.warned_hours is None or level < account.warned_hours)
    if account.standing != "good":
        return Change("good", None, level, "billing.good_standing")
    return Change("good", None, level, "billing.low_credit" if deeper else None)


async def accounts_to_look_at(tx: Tx, terms: BillingTerms) -> list[Account]:
    """Those that are not simply well: they owe, are in some step, were warned, or have little left."""
    async with tx.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(
            f"""select {COLUMNS} where a.closed_at is null
                  and (a.standing <> 'good' or a.warned_hours is not null or not m.exempt
                       and (m.available_cents < 0 or m.hours_left < %s))
                order by a.id""",
            (max(terms.warning_hours, default=0),),
        )
        return await cursor.fetchall()


async def update_standing(tx: Tx, account_id: UUID, terms: BillingTerms, now: datetime) -> None:
    """Let an account stand as it should now, and tell its people if that is news. Holds the account's row."""
    await tx.execute("select from accounts where id = %s for no key update", (account_id,))
    async with tx.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(f"select {COLUMNS} where a.id = %s", (account_id,))
        account = await cursor.fetchone()
    change = None if account is None else change_of(account, terms, now)
    if account is None or change is None:
        return
    await tx.execute(
        "update accounts set standing = %s, next_step_at = %s, warned_hours = %s where id = %s",
        (change.standing, change.next_step_at, change.warned_hours, account_id),
    )
    if change.tell is not None:
        next_step = None if change.next_step_at is None else rfc3339(change.next_step_at)
        more: dict[str, Any] = {"next_step_at": next_step, "hours_left": account.hours_left}
        await record_account(tx, change.tell, account_id, now, standing=change.standing, **more)
