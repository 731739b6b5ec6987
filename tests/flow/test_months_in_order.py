"""Months close one after the other: one that was passed over would never be asked for, nor be in the balance."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from bluelobster.billing.bill import bill
from bluelobster.billing.charge import post_charges
from bluelobster.billing.close import close_months
from bluelobster.billing.ledger import balance_of
from bluelobster.db.pool import transaction
from cloud import TestCloud
from set_clock import SetClock
from waiting import holding, so_many_wait

DECEMBER = SetClock(datetime(2026, 12, 1, 3, tzinfo=UTC))
PAID = "insert into ledger (account_id, kind, amount_cents, reason, created_at) values (%s, 'payment', %s, 't', %s)"
HOLD = "select from accounts where id = %s for no key update"


async def balance_and_ledger(cloud: TestCloud, account_id: UUID) -> tuple[int, int]:
    async with transaction(cloud.parts.pool) as tx:
        balance = await balance_of(tx, account_id)
    return balance, await cloud.one("select sum(amount_cents)::int from ledger where account_id = %s", account_id)


async def test_of_an_account_that_somebody_holds_meanwhile(idle_cloud: TestCloud) -> None:
    """As a payment does, while October is closed for others."""
    customer = await idle_cloud.account_id()
    for each in (customer, await idle_cloud.account_id("stranger")):
        await idle_cloud.execute(PAID, each, 1000, "2026-10-05")
        await idle_cloud.execute(PAID, each, 500, "2026-11-05")
    october = "insert into invoice_numbers values (2026, 0)"
    async with holding(idle_cloud, october), holding(idle_cloud, HOLD, customer):
        closing = asyncio.create_task(close_months(idle_cloud.parts.pool, DECEMBER))
        await so_many_wait(idle_cloud)
    await closing
    await close_months(idle_cloud.parts.pool, DECEMBER)
    assert await balance_and_ledger(idle_cloud, customer) == (1500, 1500)
    months = "select array_agg(month::text order by month) from invoices where account_id = %s"
    assert await idle_cloud.one(months, customer) == ["2026-10-01", "2026-11-01"]


async def test_of_an_account_whose_use_was_not_charged_before(idle_cloud: TestCloud) -> None:
    customer = await idle_cloud.account_id()
    await idle_cloud.execute(
        """insert into usage_periods (account_id, instance_id, price_cents_per_hour, began_at)
           values (%s, %s, 100, '2026-10-31 12:00+00')""",
        customer,
        UUID((await idle_cloud.launch())["vm_uuid"]),
    )
    await idle_cloud.execute(PAID, customer, 1000, "2026-11-05")
    async with holding(idle_cloud, HOLD, customer):
        await post_charges(idle_cloud.parts.pool, DECEMBER)
    await close_months(idle_cloud.parts.pool, DECEMBER)
    await bill(idle_cloud.parts.pool, DECEMBER)
    balance, ledger = await balance_and_ledger(idle_cloud, customer)
    assert balance == ledger < 0
