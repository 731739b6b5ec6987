"""What the database itself refuses."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from psycopg.errors import CheckViolation, ExclusionViolation, IntegrityConstraintViolation

from billing.place import new_account, new_machine, records, rows
from bluelobster.billing.charge import charge, post_charges
from bluelobster.billing.close import close_months
from bluelobster.billing.ledger import Kind, balance_of, credit, enter
from bluelobster.billing.usage import begin_usage, end_usage
from bluelobster.db.pool import Pool, transaction
from set_clock import SetClock

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with records(database) as pool:
        yield pool


@pytest.fixture
async def account(pool: Pool) -> UUID:
    """It used a machine for a day of March, and has an invoice."""
    async with transaction(pool) as tx:
        account = await new_account(tx, BEGIN)
        machine = await new_machine(tx, account, 100, BEGIN)
        await begin_usage(tx, machine, BEGIN)
        await end_usage(tx, machine, BEGIN + timedelta(days=1))
    clock = SetClock(BEGIN + timedelta(days=32))
    await post_charges(pool, clock)
    await close_months(pool, clock)
    return account


@pytest.mark.parametrize("table", ["ledger", "charges", "invoices", "invoice_lines"])
async def test_what_is_written_stays(pool: Pool, account: UUID, table: str) -> None:
    column = "credited_cents" if table == "invoices" else "amount_cents"
    for change in (f"update {table} set {column} = {column} + 1", f"delete from {table}", f"truncate {table} cascade"):
        with pytest.raises(IntegrityConstraintViolation, match="is append-only"):
            async with transaction(pool) as tx:
                await tx.execute(change)
    async with pool.connection() as connection:
        assert await rows(connection, f"select count(*) from {table}") == [(1,)]
        assert await balance_of(connection, account) == -2400


async def test_no_moment_is_charged_twice(pool: Pool, account: UUID) -> None:
    again = """insert into charges
               select account_id, team_id, instance_id, kind, period_id,
                      tstzrange(upper(during) - interval '1 second', null), seconds, amount_cents, day, ledger_id
               from charges"""
    with pytest.raises(ExclusionViolation):
        async with transaction(pool) as tx:
            await tx.execute(again)
    async with transaction(pool) as tx:
        await tx.execute("update usage_periods set settled = false, charged_to = null, charged_cents = 0")
        await tx.execute("update accounts set charged_to = null")
    with pytest.raises(ExclusionViolation):
        await post_charges(pool, SetClock(BEGIN + timedelta(days=33)))


async def test_entries_have_the_sign_of_their_kind(pool: Pool, account: UUID) -> None:
    wrong: tuple[tuple[Kind, int], ...] = (("payment", -1), ("credit", -1), ("charge", 1), ("refund", 1), ("credit", 0))
    for kind, cents in wrong:
        with pytest.raises(CheckViolation):
            async with transaction(pool) as tx:
                await enter(tx, account, kind, cents, "wrong", BEGIN)
    async with transaction(pool) as tx:
        await credit(tx, account, 700, "given", BEGIN)
        await credit(tx, account, -300, "taken back", BEGIN)
        assert await balance_of(tx, account) == -2000


async def test_what_comes_too_late_belongs_to_the_first_open_month(pool: Pool, account: UUID) -> None:
    async with transaction(pool) as tx:
        await credit(tx, account, 5, "late", BEGIN + timedelta(days=3))
        entries = await rows(tx, "select kind, month from ledger order by id")
    assert entries == [("charge", date(2026, 3, 1)), ("credit", date(2026, 4, 1))]


async def test_use_of_a_closed_month_is_charged_in_the_first_open_one(pool: Pool, account: UUID) -> None:
    async with transaction(pool) as tx:
        await begin_usage(tx, await new_machine(tx, account, 100, BEGIN), BEGIN)
        await charge(tx, [account], BEGIN + timedelta(hours=3), BEGIN)
        charges = await rows(tx, "select day, amount_cents from charges order by day")
    assert charges == [(date(2026, 3, 1), 2400), (date(2026, 4, 1), 300)]
    await close_months(pool, SetClock(BEGIN + timedelta(days=70)))
    async with pool.connection() as connection:
        invoices = await rows(
            connection,
            """select month, charged_cents, (select sum(amount_cents)::int from invoice_lines where invoice_id = i.id)
               from invoices i order by month offset 1""",
        )
    # Whatever else of the use is charged in April: the lines are what the ledger says.
    [(month, charged, lines)] = invoices
    assert (month, charged) == (date(2026, 4, 1), lines)
