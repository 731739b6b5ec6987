"""Begin a top-up: a row, a page of the provider's, and the way to it. No transaction is open while it is asked.

A process that dies in between leaves an open row without an address. Nobody can pay what nobody has the address of, so
the row ends when its time is over, and a request that is repeated gets a top-up of its own.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from fastapi.exceptions import RequestValidationError
from pydantic import Field

from bluelobster.access.principal import Principal
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.errors import Unavailable
from bluelobster.http.text import RequestBody
from bluelobster.payments.provider import CannotBegin, Checkout, Order, Provider
from bluelobster.payments.top_up import TopUp, find_top_up

log = logging.getLogger(__name__)

# Providers want between half an hour and a day. Whoever pays may not be who asks.
OPEN_FOR = timedelta(hours=12)


class TopUpRequest(RequestBody):
    """How much credit to buy."""

    amount_cents: int = Field(ge=1, description="US cents", json_schema_extra={"example": 2500})


@dataclass(frozen=True)
class Limits:
    """Least and most of one top-up, in cents."""

    least: int
    most: int

    def check(self, amount_cents: int) -> None:
        """Raises RequestValidationError."""
        if self.least <= amount_cents <= self.most:
            return
        rule = f"Must be at least {self.least} and at most {self.most} cents"
        raise RequestValidationError([{"type": "value_error", "loc": ("body", "amount_cents"), "msg": rule}])


async def begin_top_up(
    pool: Pool, provider: Provider, limits: Limits, caller: Principal, wanted: TopUpRequest, clock: Clock
) -> TopUp:
    """A top-up that can be paid. Raises Unavailable where the provider makes no page for it."""
    limits.check(wanted.amount_cents)
    created_at = clock.now()
    expires_at = created_at.replace(microsecond=0) + OPEN_FOR
    order = Order(uuid4(), caller.account_id, wanted.amount_cents, expires_at)
    async with transaction(pool) as tx:
        await tx.execute(
            """insert into top_ups (id, account_id, key_prefix, amount_cents, provider, created_at, expires_at)
               values (%s, %s, %s, %s, %s, %s, %s)""",
            (order.top_up_id, caller.account_id, caller.key_prefix, order.amount_cents, provider.name, created_at,
             expires_at),
        )  # fmt: skip
    try:
        checkout = await provider.begin(order)
    except CannotBegin as error:
        log.error("top-up %s cannot be begun: %s", order.top_up_id, error)
        async with transaction(pool) as tx:
            await _give_up(tx, order, clock)
        message = "The payment provider does not answer as it should at the moment; nothing was paid. Try again later"
        raise Unavailable("payments_unavailable", message) from error
    async with transaction(pool) as tx:
        await _show(tx, order, checkout)
        return await find_top_up(tx, caller.account_id, str(order.top_up_id))


async def _show(tx: Tx, order: Order, checkout: Checkout) -> None:
    await tx.execute(
        "update top_ups set session_id = %s, url = %s where id = %s and status = 'open'",
        (checkout.session_id, checkout.url, order.top_up_id),
    )


async def _give_up(tx: Tx, order: Order, clock: Clock) -> None:
    await tx.execute(
        "update top_ups set status = 'failed', ended_at = %s where id = %s and status = 'open'",
        (clock.now(), order.top_up_id),
    )
