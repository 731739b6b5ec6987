"""Prices of everything that is sold, and how its use is counted."""

from datetime import datetime

import click
from pydantic import TypeAdapter, ValidationError

from bluelobster.admin.session import Wrong, found, run, show
from bluelobster.app import Parts
from bluelobster.billing.prices import ITEMS, price_history, set_price, set_type_price
from bluelobster.billing.steps import list_steps, set_steps
from bluelobster.clock import rfc3339
from bluelobster.db.pool import transaction
from bluelobster.http.moments import Moment

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@click.group()
def price() -> None:
    """What is sold, and what it costs. A change acts on what is begun from then on."""


@price.command("set")
@click.argument("item")
@click.argument("cents", type=click.IntRange(0, 2**31 - 1))
@click.option("--from", "since", default=None, help="From this moment on, such as 2027-01-01T00:00:00Z (default: now)")
def change_price(item: str, cents: int, since: str | None) -> None:
    """Change the price of an ITEM, or of an hour of an instance type, in CENTS."""

    async def action(parts: Parts) -> None:
        now = parts.clock.now()
        begins = moment_of(since) if since else now
        if begins < now:
            raise Wrong("what is past cannot cost something else; --from must not be before now")
        async with transaction(parts.pool) as tx:
            known = next((each for each in ITEMS if each == item), None)
            if known is not None:
                await set_price(tx, known, cents, begins)
            else:
                found(f"price of {item}", await set_type_price(tx, item, cents, begins))
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


def moment_of(text: str) -> datetime:
    """Raises Wrong for what is no moment with its time zone."""
    try:
        return MOMENT.validate_python(text)
    except ValidationError as error:
        raise Wrong(f"--from: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
