"""Closing a month: one invoice an account, which never changes again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bluelobster.billing.charge import BATCH, behind, charge
from bluelobster.billing.months import Month
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction

# What ended in the last seconds of a month is on record by then.
WAIT = timedelta(hours=1)
NOBODY = UUID(int=0)


async def close_months(pool: Pool, clock: Clock, *, batch: int = BATCH) -> None:
    """Write the invoices of all months that are over and in which there is money to tell of. An account whose use is
    not all charged yet is left for the next time."""
    now = clock.now()
    async with pool.connection() as connection:
        oldest = await _oldest_open(connection)
    for month in oldest.until(now - WAIT) if oldest else ():
        last: UUID | None = NOBODY
        while last is not None:
            async with transaction(pool) as tx:
                accounts = await _take_accounts(tx, month, last, batch)
                await charge(tx, accounts, month.ends, now)
                late = await behind(tx, accounts, month.ends) | await _still_open(tx, accounts, month)
                await close(tx, [each for each in accounts if each not in late], month, now)
            last = accounts[-1] if len(accounts) == batch else None


async def _oldest_open(tx: Tx) -> Month | None:
    cursor = await tx.execute(
        """select min(l.month) from accounts a cross join lateral (
             select min(month) as month from ledger
             where account_id = a.id and month >= coalesce(a.open_month, '-infinity')) l"""
    )
    row = await cursor.fetchone()
    return Month.on(row[0]) if row and row[0] else None


async def _take_accounts(tx: Tx, month: Month, last: UUID, most: int) -> list[UUID]:
    """Accounts behind `last` that have entries in a month that is not closed, locked."""
    cursor = await tx.execute(
        """select a.id from accounts a where a.id > %(last)s and coalesce(a.open_month <= %(month)s, true)
             and exists (select from ledger l where l.account_id = a.id and l.month = %(month)s)
           order by a.id limit %(most)s for no key update skip locked""",
        {"last": last, "month": month.first, "most": most},
    )
    return [row[0] for row in await cursor.fetchall()]


async def _still_open(tx: Tx, accounts: Sequence[UUID], month: Month) -> set[UUID]:
    """Those with an earlier month that is not closed: somebody held them when its turn was. Months close in order."""
    cursor = await tx.execute(
        """select a.id from accounts a where a.id = any(%s) and exists (
             select from ledger l where l.account_id = a.id and l.month < %s
               and l.month >= coalesce(a.open_month, '-infinity'))""",
        (list(accounts), month.first),
    )
    return {row[0] for row in await cursor.fetchall()}


async def close(tx: Tx, accounts: Sequence[UUID], month: Month, now: datetime) -> None:
    """Write the month's invoices of accounts that `tx` holds, each of which has entries in it."""
    if not accounts:
        return
    values = {"accounts": list(accounts), "month": month.first, "next": month.ends.date(), "now": now}
    await tx.execute(INVOICES, {**values, "year": now.year, "count": len(accounts)})
    await tx.execute(LINES, values)
    await tx.execute("update accounts set open_month = %(next)s where id = any(%(accounts)s)", values)


INVOICES = """
with numbers as (
       insert into invoice_numbers as n (year, last) values (%(year)s, %(count)s)
       on conflict (year) do update set last = n.last + excluded.last
       returning last - %(count)s as before),
     sums as (
       select a.id, a.name, before + row_number() over (order by a.id) as number,
              coalesce((select closing_cents from invoices where account_id = a.id order by month desc limit 1), 0)
                as opening,
              coalesce(-sum(l.amount_cents) filter (where l.kind = 'charge'), 0)::bigint as charged,
              coalesce(sum(l.amount_cents) filter (where l.kind <> 'charge'), 0)::bigint as credited
       from accounts a join ledger l on l.account_id = a.id and l.month = %(month)s, numbers
       where a.id = any(%(accounts)s) group by a.id, before)
insert into invoices (id, number, account_id, account_name, month, opening_cents, charged_cents, credited_cents,
                      closing_cents, issued_at)
select gen_random_uuid(), %(year)s || '-' || lpad(number::text, greatest(6, length(number::text)), '0'), id, name,
       %(month)s, opening, charged, credited, opening + credited - charged, %(now)s
from sums"""

LINES = """
with used as (
       select account_id, kind, period_id, instance_id, min(lower(during)) as began_at, max(upper(during)) as ended_at,
              sum(seconds)::bigint as seconds, sum(amount_cents)::bigint as amount_cents
       from charges where account_id = any(%(accounts)s) and day >= %(month)s and day < %(next)s
       group by account_id, kind, period_id, instance_id),
     told as (
       select u.*, i.name, coalesce(i.instance_type, 'custom') as detail, null::bigint as size_bytes,
              p.price_cents_per_hour as price, 'hour' as unit
       from used u join usage_periods p on p.id = u.period_id join instances i on i.id = u.instance_id
       where u.kind = 'instance'
       union all
       select u.*, i.name, host(p.address), null, p.price_cents_per_month, 'month'
       from used u join address_usage_periods p on p.id = u.period_id join instances i on i.id = u.instance_id
       where u.kind = 'address'
       union all
       select u.*, i.name, p.backup_id::text, p.size_bytes, p.price_cents_per_month, 'GB-month'
       from used u join backup_usage_periods p on p.id = u.period_id join instances i on i.id = u.instance_id
       where u.kind = 'backup')
insert into invoice_lines (invoice_id, position, kind, instance_id, instance_name, detail, size_bytes, price_cents,
                           unit, began_at, ended_at, seconds, amount_cents)
select v.id, row_number() over (partition by v.id order by t.name, t.instance_id, t.kind = 'backup', t.kind desc,
                                                           t.began_at, t.period_id),
       t.kind, t.instance_id, t.name, t.detail, t.size_bytes, t.price, t.unit, t.began_at, t.ended_at, t.seconds,
       t.amount_cents
from told t join invoices v on v.account_id = t.account_id and v.month = %(month)s"""
