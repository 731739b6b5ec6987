"""Spending limits: what an account, and each of its teams, may spend in a month.

At the limit nothing new is begun, and the people are told. What runs goes on: it costs whether it is on or off, and
deleting is never what somebody meant by a limit.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.billing.months import Month
from bluelobster.db.pool import Tx
from bluelobster.events.record import record_account
from bluelobster.http.errors import NotFound
from bluelobster.http.text import RequestBody

MOST_CENTS = 10**12


class SpendingLimitRequest(RequestBody):
    """What may be spent in a calendar month, in US cents; `null` is no limit."""

    limit_cents: Annotated[int, Field(ge=0, le=MOST_CENTS, strict=True)] | None = Field(
        json_schema_extra={"example": 50000}
    )


class SpendingLimit(BaseModel):
    """The limit of the account, or of one of its teams, and what was charged in the current month, in UTC."""

    team_id: UUID | None
    team_name: str | None
    limit_cents: int | None
    spent_cents: int


class SpendingLimits(BaseModel):
    """The account's own limit first, then those of its teams by name."""

    month: str = Field(examples=["2026-11"])
    limits: list[SpendingLimit]


async def spending_limits(tx: Tx, account_id: UUID, now: datetime) -> SpendingLimits:
    """All that there could be, set or not."""
    month = Month.of(now).first
    async with tx.cursor(row_factory=class_row(SpendingLimit)) as cursor:
        await cursor.execute(
            """select team_id, team_name, limit_cents, spent_cents from (
                 select 0 as place, null::uuid as team_id, null as team_name, spending_limit_cents as limit_cents,
                        charged_to_account(id, %(month)s) as spent_cents from accounts where id = %(account_id)s
                 union all
                 select 1, id, name, spending_limit_cents, charged_to_team(account_id, id, %(month)s)
                 from teams where account_id = %(account_id)s) as limits order by place, team_name""",
            {"account_id": account_id, "month": month},
        )
        return SpendingLimits(month=month.strftime("%Y-%m"), limits=await cursor.fetchall())


async def limit_account(tx: Tx, account_id: UUID, limit_cents: int | None) -> None:
    await tx.execute(
        "update accounts set spending_limit_cents = %s, limit_told = null where id = %s", (limit_cents, account_id)
    )


async def limit_team(tx: Tx, account_id: UUID, team_id: str, limit_cents: int | None) -> None:
    """Raises NotFound for a team that is not the account's."""
    done = await tx.execute(
        "update teams set spending_limit_cents = %s, limit_told = null where id::text = lower(%s) and account_id = %s",
        (limit_cents, team_id, account_id),
    )
    if done.rowcount == 0:
        raise NotFound("team_not_found", "There is no such team in the account")


async def tell_of_limits(tx: Tx, now: datetime) -> None:
    """Tell the people of accounts and teams that have reached their limit, once a month."""
    values = {"month": Month.of(now).first}
    accounts = await tx.execute(
        """update accounts set limit_told = %(month)s
           where spending_limit_cents is not null and limit_told is distinct from %(month)s and closed_at is null
             and charged_to_account(id, %(month)s) >= spending_limit_cents
           returning id, null::uuid""",
        values,
    )
    told = await accounts.fetchall()
    teams = await tx.execute(
        """update teams set limit_told = %(month)s
           where spending_limit_cents is not null and limit_told is distinct from %(month)s
             and charged_to_team(account_id, id, %(month)s) >= spending_limit_cents
           returning account_id, id""",
        values,
    )
    for account_id, team_id in told + await teams.fetchall():
        data = {"month": values["month"].strftime("%Y-%m")}
        await record_account(tx, "billing.spending_limit", account_id, now, team_id=team_id, **data)
