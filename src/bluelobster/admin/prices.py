"""Prices of what is sold besides machines."""

import click

from bluelobster.admin.session import found, run, show
from bluelobster.app import Parts
from bluelobster.billing.prices import list_prices, set_price
from bluelobster.db.pool import transaction


@click.group()
def price() -> None:
    """What is sold besides machines."""


@price.command("set")
@click.argument("item")
@click.argument("cents", type=click.IntRange(0))
def change_price(item: str, cents: int) -> None:
    """Change a price, in cents, for what is sold from now on."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"price of {item}", await set_price(tx, item, cents))
        click.echo(f"{item} costs {cents} cents from now on")

    run(action)


@price.command("list")
def show_prices() -> None:
    """Show all prices."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            prices = await list_prices(connection)
        show(("item", "cents"), prices)

    run(action)
