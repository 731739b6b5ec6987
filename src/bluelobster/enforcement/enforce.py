"""What becomes of accounts that do not pay, and of those that do again: their standing first, then their machines."""

from bluelobster.billing.spending import tell_of_limits
from bluelobster.billing.standing import accounts_to_look_at, change_of, update_standing
from bluelobster.billing.terms import read_terms
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, transaction
from bluelobster.enforcement.delete import delete_what_is_left
from bluelobster.enforcement.run_again import run_again
from bluelobster.enforcement.shut_down import shut_down


async def enforce(pool: Pool, clock: Clock) -> None:
    """Every part may die anywhere, and is done by the next run. Each account and each machine has a transaction of its
    own: none suffers from another's trouble."""
    await _take_steps(pool, clock)
    async with transaction(pool) as tx:
        await tell_of_limits(tx, clock.now())
    await shut_down(pool, clock)
    await delete_what_is_left(pool, clock)
    await run_again(pool, clock)


async def _take_steps(pool: Pool, clock: Clock) -> None:
    async with transaction(pool) as tx:
        terms = await read_terms(tx)
        accounts = await accounts_to_look_at(tx, terms)
    for account in accounts:
        if change_of(account, terms, clock.now()) is not None:
            async with transaction(pool) as tx:
                await update_standing(tx, account.id, terms, clock.now())
