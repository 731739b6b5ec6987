"""What an account has, and what it spends."""

from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.billing.months import Month
from bluelobster.billing.standing import Pays, Standing
from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx


class Balance(BaseModel):
    """All money is in whole US cents."""

    balance_cents: int = Field(description="What the account has; below zero, what it owes")
    charged_to: str | None = Field(description="Up to when use is charged; what is used since then is not in it yet")
    month: str = Field(description="The current month, in UTC", examples=["2026-11"])
    charged_this_month_cents: int = Field(description="What was charged for use in it")
    credited_this_month_cents: int = Field(description="What came in, was credited, refunded or put right in it")
    cents_per_hour: int = Field(description="What the instances that there are cost an hour")
    pays: Pays = Field(description="`prepaid`, or `invoice` for one that may owe up to `credit_limit_cents`")
    credit_limit_cents: int
    hours_left: int | None = Field(description="How long it lasts, with what there is now; null: for ever")
    standing: Standing = Field(
        description="`good`; `past_due` when it owes more than it may; `suspended` when its instances are shut down "
        "for it; `terminated` when they are deleted with their backups"
    )
    next_step_at: str | None = Field(description="When it is suspended, or terminated, unless it pays before")


async def balance(tx: Tx, account_id: UUID, now: datetime) -> Balance:
    """An account's money now."""
    async with tx.cursor(row_factory=class_row(Balance)) as cursor:
        await cursor.execute(
            f"""select b.cents::bigint as balance_cents, {rfc3339_sql("a.charged_to")} as charged_to,
                       to_char(%(month)s::date, 'YYYY-MM') as month,
                       coalesce(-sum(l.amount_cents) filter (where l.kind = 'charge'), 0)::bigint
                         as charged_this_month_cents,
                       coalesce(sum(l.amount_cents) filter (where l.kind <> 'charge'), 0)::bigint
                         as credited_this_month_cents,
                       (select coalesce(sum(p.price_cents_per_hour), 0)::bigint from usage_periods p
                        where p.account_id = a.id and not p.settled and p.ended_at is null) as cents_per_hour,
                       a.pays, a.credit_limit_cents, m.hours_left, a.standing,
                       {rfc3339_sql("a.next_step_at")} as next_step_at
                from accounts a join balances b on b.account_id = a.id join means m on m.account_id = a.id
                left join ledger l on l.account_id = a.id and l.month = %(month)s
                where a.id = %(account_id)s group by a.id, b.cents, m.hours_left""",
            {"account_id": account_id, "month": Month.of(now).first},
        )
        found = await cursor.fetchone()
    if found is None:
        raise LookupError(f"there is no account {account_id}")
    return found
