"""`bluelobster up`: the whole cloud on one machine, in the foreground, gone again when it is told to stop."""

import asyncio
import os
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from bluelobster.admin.session import data_directory
from bluelobster.db.embedded import EmbeddedPostgresError
from bluelobster.db.migrate import CannotMigrate
from bluelobster.db.pool import forget_libpq_defaults
from bluelobster.local.cloud import Cloud, Wishes
from bluelobster.local.errors import CloudError
from bluelobster.local.output import say
from bluelobster.process import until_told_to_stop


def up_options(function: click.decorators.FC) -> click.decorators.FC:
    """The options that `up` and `demo` share."""
    options = (
        click.option("--data", help="Where everything is kept (default: $BLUELOBSTER_DATA, or ./data)"),
        click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="The API's port"),
        click.option(
            "--guests",
            type=click.Choice(["auto", "qemu", "simulated"]),
            default="auto",
            show_default=True,
            help="Real guests, pretended ones, or real ones if QEMU can be had",
        ),
        click.option("--keep-guests", is_flag=True, help="Leave running machines running at the end"),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@up_options
def command(data: str | None, port: int, guests: str, keep_guests: bool) -> None:
    """Run the whole cloud on this machine until Ctrl-C: database, node, worker, API."""
    sys.exit(asyncio.run(stay_up(Wishes(data_directory(data), port, guests, keep_guests))))


async def stay_up(wishes: Wishes, first: Callable[[Cloud], Awaitable[None]] | None = None) -> int:
    """Start everything, do what shall be done first, say where things are, and stay until a signal or a failure.
    Returns the exit status."""
    forget_libpq_defaults()
    status = 0

    async def whole_life() -> None:
        nonlocal status
        try:
            async with Cloud(wishes) as cloud:
                if first is not None:
                    await first(cloud)
                greet(cloud)
                await cloud.watch()
        except (CloudError, EmbeddedPostgresError, CannotMigrate) as error:
            say(f"error: {error}", error=True)
            status = 1

    await until_told_to_stop(whole_life())
    return status


def greet(cloud: Cloud) -> None:
    """What a newcomer needs next."""
    program = os.environ.get("BLUELOBSTER_PROGRAM", "bluelobster")
    data = shlex.quote(str(cloud.wishes.data))
    prefix = "" if cloud.wishes.data == Path("data").absolute() else f"BLUELOBSTER_DATA={data} "
    say("")
    say(f"  API       {cloud.api_url}    (described in {cloud.api_url}/openapi.json)")
    say(f"  API key   {cloud.customer_key}")
    say(f"  guests    {cloud.guests}")
    say(f"  data      {cloud.wishes.data}")
    say("")
    say("In another terminal:")
    if not any(Path("~/.ssh").expanduser().glob("id_*.pub")):
        say("  ssh-keygen -t ed25519                      # you have no SSH key yet")
    say(f"  {prefix}{program} launch --name hello")
    say(f"  {prefix}{program} list")
    say(f"  curl -H 'X-API-Key: {cloud.customer_key}' {cloud.api_url}/api/v1/instances")
    say("")
    say(
        "Ctrl-C stops everything" + ("; machines keep running." if cloud.wishes.keep_guests else ", machines included.")
    )
