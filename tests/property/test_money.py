"""Whatever happens, in whatever order, the money is right to the cent.

A history is an account to which a dozen things happen: launches that come to something or not, deletions, addresses,
backups, payments, while prices change, processes die before they commit, clocks are put back, and eight workers charge
and close months at once, some of them dying in the middle. Fifty histories share a world, and all worlds a database.

The same five hundred histories are run every day. For more:

    BLUELOBSTER_HISTORIES=10000 ./bluelobster test tests/property/test_money.py
"""

import faulthandler
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any
from uuid import uuid4

import pytest

from billing.place import records, rows
from billing.rule import cost
from bluelobster.billing.months import Month
from bluelobster.db.pool import Pool, Tx
from property.conftest import WANTED
from property.money import ADDRESS, SKEW, STORAGE, TYPE, History, Period, Timeline, World

pytestmark = pytest.mark.long

HISTORIES = int(WANTED or 500)
TOGETHER = 50
TICKS = 16
BEGIN = datetime(2026, 1, 31, 17, 47, tzinfo=UTC)
TABLES = {"instance": "usage_periods", "address": "address_usage_periods", "backup": "backup_usage_periods"}
THINGS = {"instance": "instance_id::text", "address": "host(address)", "backup": "backup_id::text"}


async def test_the_money_is_right(database: str) -> None:
    if WANTED:
        faulthandler.cancel_dump_traceback_later()  # many histories take their time
    async with records(database, connections=12) as pool:
        prices, free = await stock(pool)
        now = BEGIN
        for number in range(-(-HISTORIES // TOGETHER)):
            world = World(pool, f"world {number}", prices, free, now)
            await world.begin(min(TOGETHER, HISTORIES - number * TOGETHER))
            await world.live(TICKS)
            async with pool.connection() as connection:
                for history in world.histories:
                    assert await wrong(connection, history, world) == [], f"world {number}"
            # The end of a month is where most happens.
            now = Month.of(world.latest).ends - timedelta(hours=number % 48)
        async with pool.connection() as connection:
            assert await with_gaps(connection) == []
            used = await rows(connection, "select kind, count(*) from charges group by kind")
            assert {kind: count > HISTORIES for kind, count in used} == dict.fromkeys(TABLES, True), used
            ((charged, invoices),) = await rows(connection, "select sum(charged_cents), count(*) from invoices")
            assert charged > 0
            assert invoices > HISTORIES


async def stock(pool: Pool) -> tuple[dict[str, Timeline], list[str]]:
    """Something to sell, and addresses that go from hand to hand."""
    async with pool.connection() as connection:
        await connection.execute(f"insert into instance_types values ('{TYPE}', 'x', 'x', 1, 1, 1)")
        await connection.execute(
            "insert into prices (item, instance_type, cents, during) values ('instance_hour', %s, 45, '(,)')", (TYPE,)
        )
        pool_id = uuid4()
        await connection.execute(
            "insert into address_pools values (%s, 'r', '192.0.2.0/24', '192.0.2.1', '{}')", (pool_id,)
        )
        await connection.execute(
            """insert into addresses (address, pool_id)
               select '192.0.2.0'::inet + n, %s from generate_series(10, 49) n""",
            (pool_id,),
        )
        free = await rows(connection, "select host(address) from addresses")
    prices = {TYPE: Timeline(45), ADDRESS: Timeline(300), STORAGE: Timeline(5)}
    return prices, [row[0] for row in free]


# What is looked at


async def wrong(tx: Tx, history: History, world: World) -> list[str]:
    """Everything that is not as it should be with a history that is over."""
    found: list[str] = []
    owed = 0
    for kind, table in TABLES.items():
        mine = sorted((each for each in history.used if each.kind == kind), key=lambda each: each.thing)
        periods = await rows(tx, PERIODS.format(THINGS[kind], table), kind, history.account)
        if [each.thing for each in mine] != [row[1] for row in periods]:
            return [f"{kind}: {[row[1:4] for row in periods]}, but asked for {mine}"]
        for period, row in zip(mine, periods, strict=True):
            found += unlike(period, row, world)
            cents = cost(kind, period.price, row[3] - row[2], period.size)
            found += miscounted(cents, row)
            owed += cents
    found += await unbalanced(tx, history, owed)
    return found


PERIODS = """
    select p.id, {}, p.began_at, p.ended_at, p.settled, p.charged_to, p.charged_cents,
           (select array_agg(array[lower(c.during)::text, upper(c.during)::text, upper_inc(c.during)::text,
                                   c.amount_cents::text, c.seconds::text] order by c.during)
            from charges c where c.kind = %s and c.period_id = p.id and c.account_id = p.account_id)
    from {} p where p.account_id = %s order by 2, p.id"""


def unlike(period: Period, row: tuple[Any, ...], world: World) -> list[str]:
    """It begins and ends when it was said, to the second; later only where clocks were put back."""
    assert period.ended is not None
    began, ended = row[2], row[3]
    good = period.began.replace(microsecond=0) <= began <= ended <= world.latest
    good = good and period.ended.replace(microsecond=0) <= ended
    if period.kind != "address":
        good = good and began == period.began.replace(microsecond=0)
    if not world.went_back:
        good = good and ended - period.ended <= SKEW
    return [] if good else [f"{period} is {began} to {ended}"]


def miscounted(cents: int, row: tuple[Any, ...]) -> list[str]:
    """Its stretches follow on each other from its beginning to its end, and add up to what it costs."""
    _, thing, began, ended, settled, charged_to, charged_cents, stretches = row
    spans = [(datetime.fromisoformat(each[0]), datetime.fromisoformat(each[1])) for each in stretches or []]
    whole = bool(spans) and (spans[0][0], spans[-1][1], charged_to) == (began, ended, ended)
    follow = all(first[1] == second[0] for first, second in pairwise(spans))
    lengths = all(lower < upper for lower, upper in spans) or (began == ended and len(spans) == 1)
    sum_of = sum(int(each[3]) for each in stretches or [])
    if whole and follow and lengths and settled and sum_of == charged_cents == cents:
        return []
    return [f"{thing} from {began} to {ended} costs {cents}: {charged_cents} {settled} {charged_to} {stretches}"]


async def unbalanced(tx: Tx, history: History, owed: int) -> list[str]:
    """Balance, ledger, charges and invoices tell the same."""
    account = history.account
    ledger = await rows(tx, "select id, kind, amount_cents, month from ledger where account_id = %s", account)
    invoices = await rows(
        tx,
        """select month, opening_cents, charged_cents, credited_cents, closing_cents,
                  (select coalesce(sum(amount_cents), 0) from invoice_lines l where l.invoice_id = i.id)
           from invoices i where account_id = %s order by month""",
        account,
    )
    ((balance,),) = await rows(tx, "select cents from balances where account_id = %s", account)
    grouped = await rows(
        tx, "select ledger_id, sum(amount_cents) from charges where account_id = %s group by 1", account
    )
    charges: dict[int, int] = dict(grouped)
    paid = sum(amount for _, kind, amount, _ in ledger if kind != "charge")
    sides = {
        "payments": paid - history.credit,
        "charges": sum(amount for _, _, amount, _ in ledger) - paid + owed,
        "balance": balance - (history.credit - owed),
        "last invoice": (invoices[-1][4] if invoices else 0) - balance,
        "entries": sum(charges.pop(number, 0) + amount for number, kind, amount, _ in ledger if kind == "charge"),
        "charges without an entry": sum(charges.values()),
        "lines": sum(abs(charged - lines) for _, _, charged, _, _, lines in invoices),
        "first invoice": invoices[0][1] if invoices else 0,
        "chain": sum(abs(before[4] - after[1]) for before, after in pairwise(invoices)),
        "months": len(by_month(ledger).keys() ^ {each[0] for each in invoices}),
        "sums": sum(
            abs(by_month(ledger).get(month, 0) - credited + charged) for month, _, charged, credited, _, _ in invoices
        ),
    }
    return [f"{account} {name}: {off}" for name, off in sides.items() if off]


def by_month(ledger: Sequence[tuple[Any, ...]]) -> dict[Any, int]:
    entries: Iterable[tuple[Any, ...]] = sorted(ledger, key=lambda each: each[3])
    return {month: sum(each[2] for each in group) for month, group in groupby(entries, lambda each: each[3])}


async def with_gaps(tx: Tx) -> list[tuple[Any, ...]]:
    """Years in which the numbers of invoices are not 1, 2, 3 and so on."""
    query = """select left(number, 4), count(*), min(number), max(number) from invoices group by 1
               having (min(substr(number, 6)::int), max(substr(number, 6)::int)) <> (1, count(*))"""
    return await rows(tx, query)
