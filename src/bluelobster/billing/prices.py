"""Prices of what is sold besides machines, in cents."""

from typing import Literal

from bluelobster.db.pool import Tx

Item = Literal["ip_address_month"]


async def price_of(tx: Tx, item: Item) -> int:
    """What one costs at the moment."""
    cursor = await tx.execute("select cents from prices where item = %s", (item,))
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"{item} has no price")
    return int(row[0])


async def list_prices(tx: Tx) -> list[tuple[str, int]]:
    """All items with their prices."""
    cursor = await tx.execute("select item, cents from prices order by item")
    return [(item, cents) for item, cents in await cursor.fetchall()]


async def set_price(tx: Tx, item: str, cents: int) -> bool:
    """Change a price for what is sold from now on; False for an unknown item."""
    done = await tx.execute("update prices set cents = %s where item = %s", (cents, item))
    return done.rowcount == 1
