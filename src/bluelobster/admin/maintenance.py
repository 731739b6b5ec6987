"""Maintenance of hosts: `admin host maintenance`."""

import click

from bluelobster.admin.moments import moment_of
from bluelobster.admin.session import run, show
from bluelobster.catalog.maintenances import Maintenance, Stops, get_maintenance
from bluelobster.clock import rfc3339
from bluelobster.db.pool import Tx, transaction
from bluelobster.instances.maintenance import affected, begin, end
from bluelobster.parts import Parts


@click.group()
def maintenance() -> None:
    """A host that may be off for a while: nothing new is placed there, and its customers are told."""


@maintenance.command("begin")
@click.argument("name")
@click.option("--reason", required=True, help="What customers with machines there are told")
@click.option("--until", required=True, help="When it is to be over, such as 2027-01-01T06:00:00Z")
@click.option(
    "--stop",
    type=click.Choice(["none", "shutdown", "force"]),
    default="none",
    show_default=True,
    help="Shut running machines down, or switch those off whose guests do not listen",
)
def begin_maintenance(name: str, reason: str, until: str, stop: Stops) -> None:
    """Begin maintenance of a host, or say something else of it. The worker stops machines that are busy now later."""
    moment = moment_of("--until", until)

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await show_machines(tx, await begin(tx, name, reason, moment, stop, parts.clock.now()))

    run(action)


@maintenance.command("show")
@click.argument("name")
def show_maintenance(name: str) -> None:
    """Show what is under way on a host, and which machines still run."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await show_machines(tx, await get_maintenance(tx, name))

    run(action)


@maintenance.command("end")
@click.argument("name")
def end_maintenance(name: str) -> None:
    """Use a host as before, and start the machines that were stopped for its maintenance."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await end(tx, name, parts.clock.now())
        click.echo(f"maintenance of host {name} is over")

    run(action)


async def show_machines(tx: Tx, found: Maintenance) -> None:
    click.echo(f"host {found.host_id} is in maintenance until {rfc3339(found.expected_end_at)}: {found.reason}")
    show(
        ("instance", "name", "status", "power", "stopped by"),
        [(each.id, each.name, each.status, each.power_status, each.asked) for each in await affected(tx, found)],
    )
