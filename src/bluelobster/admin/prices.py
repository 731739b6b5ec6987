"""Prices of everything that is sold, and how its use is counted."""

import click

from bluelobster.admin.moments import moment_of
from bluelobster.admin.session import run, show
from bluelobster.billing.prices import change_price, price_history
from bluelobster.billing.steps import list_steps, set_steps
from bluelobster.clock import rfc3339
from bluelobster.db.pool import transaction
from bluelobster.parts import Parts


@click.group()
def price() -> None:
    """What is sold, and what it costs. A change acts on what is begun from then on."""


@price.command("set")
@click.argument("item")
@click.argument("cents", type=click.IntRange(0, 2**31 - 1))
@click.option("--from", "since", default=None, help="From this moment on, such as 2027-01-01T00:00:00Z (default: now)")
def set_price(item: str, cents: int, since: str | None) -> None:
    """Change the price of an ITEM, or of an hour of an instance type, in CENTS."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            moment = moment_of("--from", since) if since else None
            begins = await change_price(tx, item, cents, moment, parts.clock.now())
        click.echo(f"{item} costs {cents} cents from {rfc3339(begins) if since else 'now'} on")

    run(action)


@price.command("list")
def show_prices() -> None:
    """Show all prices: past, current and planned."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            prices = await price_history(connection)
        now = parts.clock.now()
        show(
            ("item", "cents", "from", "until", ""),
            [
                (
                    each.name,
                    each.cents,
                    rfc3339(each.since) if each.since else "-",
                    rfc3339(each.until) if each.until else "-",
                    "now" if each.holds(now) else "",
                )
                for each in prices
            ],
        )

    run(action)


@price.command("steps")
@click.argument("kind", required=False, type=click.Choice(("instance", "address", "backup")))
@click.argument("step_seconds", required=False, type=click.IntRange(1, 86400))
@click.argument("least_steps", required=False, type=click.IntRange(0, 100))
def steps(kind: str | None, step_seconds: int | None, least_steps: int | None) -> None:
    """Show how use is counted, or set it for what is begun from now on: KIND in steps of STEP_SECONDS, to the nearest,
    at least LEAST_STEPS of them."""
    if kind is not None and least_steps is None:
        raise click.UsageError("give KIND, STEP_SECONDS and LEAST_STEPS, or none of them")

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            if kind is not None and step_seconds is not None and least_steps is not None:
                await set_steps(tx, kind, step_seconds, least_steps)
            show(("kind", "seconds a step", "least steps"), await list_steps(tx))

    run(action)
