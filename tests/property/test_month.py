"""A month of a thousand accounts with ten thousand machines: charged every night, enforced, and closed in the end."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.place import records, rows
from billing.rule import cost
from bluelobster.billing.bill import bill
from bluelobster.billing.usage import end_usage
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.enforcement.enforce import enforce
from set_clock import SetClock

pytestmark = pytest.mark.long

ACCOUNTS, MACHINES, OTHERS = 1000, 10_000, 1000
BEGIN, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
MONTH_SECONDS = int((END - BEGIN).total_seconds())
# Every tenth account runs out of it.
LITTLE, CREDIT = 50_000, 10_000_000
GIB = 2**30


@dataclass
class Use:
    """Of one machine, address or backup, some of it to the end of the month."""

    kind: str
    account: UUID
    instance: UUID
    price: int
    began: datetime
    size: int = 0
    ended: datetime | None = None

    @property
    def cents(self) -> int:
        over = self.ended is not None
        return cost(self.kind, self.price, (self.ended or END) - self.began, self.size, over=over)


async def test_a_month(database: str) -> None:
    dice = random.Random(11)  # noqa: S311 - the same month again, whenever it is asked for
    async with records(database) as pool:
        async with transaction(pool) as tx:
            machines = await people_and_machines(tx)
            used = await in_use(tx, machines, dice)
        for day in range(1, 31):
            now = BEGIN + timedelta(days=day)
            await end_some(pool, [each for each in used if each.ended and now - timedelta(days=1) < each.ended <= now])
            await bill(pool, SetClock(now))
            await enforce(pool, SetClock(now))
            if now < END:
                await carry_out(pool, used, now)
        async with pool.connection() as connection:
            assert await rows(connection, "select count(*) from invoices") == [(0,)]
        await bill(pool, SetClock(END + timedelta(hours=1)))
        async with pool.connection() as connection:
            await compare(connection, used)
            await enforced(connection)


async def people_and_machines(tx: Tx) -> list[tuple[UUID, UUID, int]]:
    """Each account with some credit and ten machines: account, machine and price."""
    await tx.execute(
        """insert into accounts (id, name, role, created_at)
           select gen_random_uuid(), 'account-' || n, 'customer', %s from generate_series(1, %s) n""",
        (BEGIN, ACCOUNTS),
    )
    await tx.execute(
        """insert into ledger (account_id, kind, amount_cents, reason, created_at)
           select id, 'payment', case when name like '%%0' then %s else %s end, 'test', %s from accounts""",
        (LITTLE, CREDIT, BEGIN),
    )
    await tx.execute(
        """insert into instances (id, account_id, name, region, host_id, vcpus, memory_gb, disk_gb,
                                  price_cents_per_hour, username, status, power_status, created_at, updated_at)
           select gen_random_uuid(), id, 'machine-' || n, 'r', 'h', 1, 1, 1, n * 37 %% 240 + 1, 'x', 'rented',
                  'running', %(now)s, %(now)s
           from accounts, generate_series(1, %(each)s) n""",
        {"now": BEGIN, "each": MACHINES // ACCOUNTS},
    )
    found = await rows(tx, "select account_id, id, price_cents_per_hour from instances order by id")
    return [(account, machine, price) for account, machine, price in found]


async def in_use(tx: Tx, machines: Sequence[tuple[UUID, UUID, int]], dice: random.Random) -> list[Use]:
    """Everything that is used in the month, from when on, and until when."""
    used = []
    for account, machine, price in machines:
        began = BEGIN + timedelta(seconds=dice.randrange(MONTH_SECONDS - 86400))
        ended = began + timedelta(seconds=dice.randrange(86400)) if dice.random() < 0.2 else None
        used.append(Use("instance", account, machine, price, began, ended=ended))
    some = dice.sample(used, 2 * OTHERS)
    addresses = [Use("address", each.account, each.instance, 300, each.began) for each in some[:OTHERS]]
    backups = [
        Use("backup", each.account, each.instance, 5, each.began, dice.randrange(400 * GIB)) for each in some[OTHERS:]
    ]
    await copy(
        tx,
        "usage_periods (account_id, instance_id, price_cents_per_hour, began_at)",
        [(each.account, each.instance, each.price, each.began) for each in used],
    )
    await copy(
        tx,
        "address_usage_periods (account_id, instance_id, address, price_cents_per_month, began_at)",
        [
            (each.account, each.instance, f"10.0.{number // 250}.{number % 250}", each.price, each.began)
            for number, each in enumerate(addresses)
        ],
    )
    await tx.execute(
        """insert into backups (id, account_id, instance_id, host_id, vmid, storage, status, disk_gb, requested_at)
           select id, account_id, id, 'h', 1, 's', 'creating', 1, %s from instances""",
        (BEGIN,),
    )
    await copy(
        tx,
        """backup_usage_periods (account_id, instance_id, backup_id, price_cents_per_month, began_at, size_bytes)""",
        [(each.account, each.instance, each.instance, each.price, each.began, each.size) for each in backups],
    )
    return [*used, *addresses, *backups]


async def carry_out(pool: Pool, used: Sequence[Use], now: datetime) -> None:
    """What workers would have done by the next night: machines are stopped, and deleted."""
    async with transaction(pool) as tx:
        done = await rows(
            tx,
            """update tasks set status = 'COMPLETED', ended_at = %s where ended_at is null
               returning operation, instance_id""",
            now,
        )
        stopped = [machine for operation, machine in done if operation == "shutdown_instance"]
        deleted = {machine for operation, machine in done if operation == "delete_instance"}
        await tx.execute("update instances set power_status = 'stopped' where id = any(%s)", (stopped,))
        await tx.execute(
            "update instances set status = 'deleted', ended_at = %s where id = any(%s)", (now, list(deleted))
        )
        for each in used:
            if each.instance in deleted and each.kind == "instance" and (each.ended is None or each.ended > now):
                each.ended = max(now, each.began)
                await end_usage(tx, each.instance, each.ended)


async def enforced(tx: Tx) -> None:
    """Whoever ran out was suspended and, two weeks later, deleted; nobody else was touched."""
    ((owing, well, machines),) = await rows(
        tx,
        """select count(*) filter (where standing <> 'good'), count(*) filter (where standing = 'good'),
                  (select count(*) from instances i join accounts a on a.id = i.account_id
                   where i.ended_at is not null and a.standing <> 'terminated')
           from accounts""",
    )
    assert (owing, well, machines) == (ACCOUNTS // 10, ACCOUNTS - ACCOUNTS // 10, 0)
    ((deleted, terminated),) = await rows(
        tx,
        """select count(*) filter (where i.ended_at is not null), count(*) from instances i
           join accounts a on a.id = i.account_id where a.standing = 'terminated'""",
    )
    assert terminated >= deleted > MACHINES // ACCOUNTS * 50


async def copy(tx: Tx, target: str, values: Sequence[tuple[Any, ...]]) -> None:
    async with tx.cursor() as cursor, cursor.copy(f"copy {target} from stdin") as lines:
        for row in values:
            await lines.write_row(row)


async def end_some(pool: Pool, over: Sequence[Use]) -> None:
    async with transaction(pool) as tx:
        for each in over:
            assert each.ended is not None
            await end_usage(tx, each.instance, each.ended)


async def compare(tx: Tx, used: Sequence[Use]) -> None:
    """Invoices, lines, balances and ledger with what was used, account by account."""
    owed: Counter[UUID] = Counter()
    for each in used:
        owed[each.account] += each.cents
    assert len(owed) == ACCOUNTS
    paid = dict(await rows(tx, "select account_id, amount_cents::int from ledger where kind = 'payment'"))
    columns = "account_id, charged_cents, credited_cents, closing_cents"
    invoices = await rows(tx, f"select {columns} from invoices")
    assert {row[0]: row[1:] for row in invoices} == {
        account: (cents, paid[account], paid[account] - cents) for account, cents in owed.items()
    }
    numbers = await rows(tx, "select number from invoices order by number")
    assert numbers == [(f"2026-{number:06}",) for number in range(1, ACCOUNTS + 1)]
    lines = dict(await rows(tx, "select kind, sum(amount_cents) from invoice_lines group by kind"))
    assert lines == {kind: sum(each.cents for each in used if each.kind == kind) for kind in lines}
    assert len(lines) == 3
    for source in (
        "select account_id, cents from balances",
        "select account_id, sum(amount_cents) from ledger group by 1",
    ):
        later = dict(
            await rows(tx, "select account_id, sum(amount_cents) from ledger where month >= %s group by 1", END)
        )
        balances = {account: cents - later.get(account, 0) for account, cents in await rows(tx, source)}
        assert balances == {account: paid[account] - cents for account, cents in owed.items()}
