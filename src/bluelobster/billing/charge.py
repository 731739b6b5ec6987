"""Charges: what use costs, from periods to the ledger.

What a period costs up to a moment is a function of its seconds alone (`due_steps` and `cents_of` in the database), and
what is charged is that less what is charged already: however often and whenever it is done, the sum is the same. The
accounts are the unit: whoever charges one holds its row, and takes only periods that nobody else is changing, so that
charging waits for nobody.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from bluelobster.clock import Clock, rfc3339
from bluelobster.db.pool import Pool, Tx, transaction

BATCH = 200
PERIODS = {"instance": "usage_periods", "address": "address_usage_periods", "backup": "backup_usage_periods"}
INSTANT = timedelta(microseconds=1)


def _due(kind: str, table: str) -> str:
    return f"""select '{kind}' as kind, p.id, p.account_id, p.instance_id, p.began_at, p.ended_at, p.step_seconds,
                      coalesce(p.charged_to, p.began_at) as since, p.charged_steps, p.charged_cents,
                      due_steps(p, %(until)s) as steps, cents_of(p, due_steps(p, %(until)s)) as cents,
                      p.ended_at is not null and p.ended_at <= %(until)s as over
               from {table} p where p.id = any(%({kind})s) and not p.settled"""


def _noted(kind: str, table: str) -> str:
    return f"""update {table} p
               set charged_to = s.upto, charged_steps = s.steps, charged_cents = s.cents, settled = s.over
               from stretches s where s.kind = '{kind}' and s.id = p.id"""


UNSETTLED = " union all ".join(
    f"select account_id, coalesce(charged_to, began_at) as since from {table} where not settled"
    for table in PERIODS.values()
)

# A stretch goes to the end of the period's last whole step, or of the period; one of no length is a moment.
CHARGE = f"""
with stretches as materialized (
       select p.*, p.cents - p.charged_cents as more_cents, p.steps - p.charged_steps as more_steps,
              case when over then ended_at else began_at + make_interval(secs => steps * step_seconds) end as upto
       from ({" union all ".join(_due(kind, table) for kind, table in PERIODS.items())}) p
       where p.over or p.cents > p.charged_cents),
     entries as (
       insert into ledger (account_id, kind, amount_cents, reason, created_at, month)
       select account_id, 'charge', -sum(more_cents), %(reason)s, %(now)s, %(month)s
       from stretches group by account_id having sum(more_cents) > 0 order by account_id
       returning id, account_id),
     {", ".join(f"noted_{kind} as ({_noted(kind, table)})" for kind, table in PERIODS.items())}
insert into charges (account_id, team_id, instance_id, kind, period_id, during, seconds, amount_cents, day, ledger_id)
select s.account_id, i.team_id, s.instance_id, s.kind, s.id,
       tstzrange(s.since, s.upto, case when s.began_at = s.ended_at then '[]' else '[)' end),
       s.more_steps * s.step_seconds, s.more_cents, greatest(%(day)s, a.open_month), e.id
from stretches s join instances i on i.id = s.instance_id join accounts a on a.id = s.account_id
left join entries e on e.account_id = s.account_id
where s.since < s.upto or s.began_at = s.ended_at"""


async def post_charges(pool: Pool, clock: Clock, *, batch: int = BATCH) -> None:
    """Charge everybody's use up to now, some accounts a transaction. What others are charging just now is left to
    them, and what a process that died has not charged, to the next."""
    now = clock.now()
    while True:
        async with transaction(pool) as tx:
            accounts = await _take_accounts(tx, now, batch)
            if accounts:
                await charge(tx, accounts, now, now)
        if len(accounts) < batch:
            return


async def _take_accounts(tx: Tx, now: datetime, most: int) -> list[UUID]:
    """Accounts that use something and are not charged up to now, locked."""
    cursor = await tx.execute(
        f"""select a.id from accounts a
            where (a.charged_to is null or a.charged_to < %s) and a.id in (select p.account_id from ({UNSETTLED}) p)
            order by a.id limit %s for no key update skip locked""",
        (now, most),
    )
    return [row[0] for row in await cursor.fetchall()]


async def charge(tx: Tx, accounts: Sequence[UUID], until: datetime, now: datetime) -> None:
    """Charge what accounts, which `tx` holds, have used until a moment that is not ahead of now. Each day is charged by
    itself, so that invoices and reports know what was used in it."""
    periods = {kind: await _take_periods(tx, table, accounts) for kind, table in PERIODS.items()}
    for moment in moments(await _charged_to(tx, accounts), until):
        day = (moment - INSTANT).astimezone(UTC).date()
        values = {**periods, "until": moment, "day": day, "month": day.replace(day=1), "now": now}
        await tx.execute(CHARGE, {**values, "reason": f"Use until {rfc3339(moment)}"})
    await tx.execute(
        "update accounts set charged_to = greatest(charged_to, %s) where id = any(%s)", (until, list(accounts))
    )


async def _take_periods(tx: Tx, table: str, accounts: Sequence[UUID]) -> list[int]:
    """Periods with something left to charge, locked; those that somebody is changing just now are left out. By itself,
    because the statement that charges must begin when nobody can change them any more."""
    cursor = await tx.execute(
        f"select id from {table} where account_id = any(%s) and not settled for no key update skip locked",
        (list(accounts),),
    )
    return [row[0] for row in await cursor.fetchall()]


async def _charged_to(tx: Tx, accounts: Sequence[UUID]) -> datetime | None:
    """From when on something of theirs may have to be charged."""
    cursor = await tx.execute(
        f"""select min(greatest(a.charged_to, p.since)) from accounts a join ({UNSETTLED}) p on p.account_id = a.id
            where a.id = any(%s)""",
        (list(accounts),),
    )
    row = await cursor.fetchone()
    return row[0] if row else None


def moments(since: datetime | None, until: datetime) -> Iterator[datetime]:
    """The beginnings of days between two moments, and the later one."""
    midnight = next_midnight(since.astimezone(UTC).date()) if since else until
    while midnight < until:
        yield midnight
        midnight = next_midnight(midnight.date())
    yield until


def next_midnight(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)


async def behind(tx: Tx, accounts: Sequence[UUID], until: datetime) -> set[UUID]:
    """Those of the accounts that have use until a moment that is not charged: somebody was changing it."""
    due = " union all ".join(
        f"""select account_id from {table} p where account_id = any(%(accounts)s) and not settled
              and (ended_at <= %(until)s or cents_of(p, due_steps(p, %(until)s)) > charged_cents)"""
        for table in PERIODS.values()
    )
    cursor = await tx.execute(
        f"select distinct account_id from ({due}) d", {"accounts": list(accounts), "until": until}
    )
    return {row[0] for row in await cursor.fetchall()}
