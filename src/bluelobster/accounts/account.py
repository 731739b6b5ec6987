"""Accounts, with what they have."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.access.accounts import Kind
from bluelobster.access.audit import concerning_account
from bluelobster.billing.standing import Pays, Standing
from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.http.paging import Place


class Account(BaseModel):
    """Who pays, and whose things are whose."""

    id: UUID
    name: str
    role: Kind = Field(description="`customer`, or `staff` for the operator's own people")
    created_at: str
    closed_at: str | None
    balance_cents: int = Field(description="What it has, in US cents; below zero, what it owes")
    pays: Pays
    credit_limit_cents: int = Field(description="What it may owe, in US cents")
    exempt: bool = Field(description="Whether nothing is refused, shut down or deleted for money")
    standing: Standing
    next_step_at: str | None = Field(description="When it is suspended, or terminated, unless it pays before")
    instances: int
    backups: int


class Accounts(BaseModel):
    """Accounts, newest first. `next` is the `cursor` of the next page."""

    accounts: list[Account]
    next: str | None


@dataclass(frozen=True)
class Filter:
    """Which accounts: those whose name contains `search`, closed ones, or open ones; all where nothing is said."""

    search: str | None = None
    closed: bool | None = None


VIEW = f"""select a.id, a.name, a.role, {rfc3339_sql("a.created_at")} as created_at,
                  {rfc3339_sql("a.closed_at")} as closed_at, b.cents::bigint as balance_cents,
                  a.pays, a.credit_limit_cents, a.exempt or a.role = 'staff' as exempt, a.standing,
                  {rfc3339_sql("a.next_step_at")} as next_step_at,
                  (select count(*) from instances i where i.account_id = a.id and i.ended_at is null)::int as instances,
                  (select count(*) from backups p where p.account_id = a.id and p.ended_at is null)::int as backups
           from accounts a join balances b on b.account_id = a.id"""


async def _accounts(tx: Tx, rest: str, values: dict[str, Any]) -> list[Account]:
    async with tx.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(f"{VIEW} {rest}", values)
        return await cursor.fetchall()


async def read_account(tx: Tx, account_id: UUID | None) -> Account:
    """Raises NotFound."""
    found = await _accounts(tx, "where a.id = %(id)s", {"id": account_id})
    if not found:
        raise NotFound("account_not_found", "There is no such account")
    return found[0]


async def find_account(tx: Tx, account_id: str) -> Account:
    """The account that staff names: what is asked of it goes into its audit log. Raises NotFound."""
    found = await read_account(tx, parsed_id(account_id))
    concerning_account(found.id)
    return found


async def every_account(tx: Tx) -> list[Account]:
    """All of them, by name."""
    return await _accounts(tx, "order by a.name", {})


async def list_accounts(tx: Tx, wanted: Filter, behind: Place[UUID] | None, most: int) -> Accounts:
    """A page of accounts, behind a place of the page before."""
    place = {"last_at": behind.at if behind else None, "last_id": behind.id if behind else None}
    cursor = await tx.execute(
        """select a.id, a.created_at from accounts a
           where (%(search)s::text is null or strpos(a.name, lower(%(search)s)) > 0)
             and (%(closed)s::boolean is null or (a.closed_at is not null) = %(closed)s)
             and (%(last_at)s::timestamptz is null
                  or a.created_at <= %(last_at)s and (a.created_at < %(last_at)s or a.id > %(last_id)s))
           order by a.created_at desc, a.id limit %(most)s""",
        {**vars(wanted), **place, "most": most + 1},
    )
    rows = await cursor.fetchall()
    page = rows[:most]
    shown = await _accounts(
        tx, "where a.id = any(%(ids)s) order by a.created_at desc, a.id", {"ids": [row[0] for row in page]}
    )
    return Accounts(accounts=shown, next=Place(page[-1][1], page[-1][0]).cursor() if len(rows) > most else None)
