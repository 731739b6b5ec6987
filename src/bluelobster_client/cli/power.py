"""`reboot`, `shutdown`, `force-shutdown`, `power-on`, `power-cycle`."""

import click

from bluelobster_client.cli.command import no_wait_option, user_command
from bluelobster_client.cli.lookup import find_instance
from bluelobster_client.cli.operations import carry_out
from bluelobster_client.client import Client


@user_command("reboot")
@click.argument("instance")
@no_wait_option
def reboot(client: Client, instance: str, no_wait: bool) -> None:
    """Reset an INSTANCE, as by its reset button; unsaved data is lost."""
    carry_out(client, find_instance(client, instance), client.reboot, "Rebooting", "is up again", no_wait)


@user_command("shutdown")
@click.argument("instance")
@no_wait_option
def shutdown(client: Client, instance: str, no_wait: bool) -> None:
    """Ask the guest in an INSTANCE to shut down."""
    carry_out(client, find_instance(client, instance), client.shutdown, "Shutting down", "is switched off", no_wait)


@user_command("force-shutdown")
@click.argument("instance")
@no_wait_option
def force_shutdown(client: Client, instance: str, no_wait: bool) -> None:
    """Switch an INSTANCE off at once, as by pulling its plug; unsaved data is lost."""
    found = find_instance(client, instance)
    carry_out(client, found, client.force_shutdown, "Switching off", "is switched off", no_wait)


@user_command("power-on")
@click.argument("instance")
@no_wait_option
def power_on(client: Client, instance: str, no_wait: bool) -> None:
    """Switch a stopped INSTANCE on."""
    carry_out(client, find_instance(client, instance), client.power_on, "Switching on", "is running", no_wait)


@user_command("power-cycle")
@click.argument("instance")
@no_wait_option
def power_cycle(client: Client, instance: str, no_wait: bool) -> None:
    """Switch an INSTANCE off and on; a new name reaches the guest this way."""
    found = find_instance(client, instance)
    carry_out(client, found, client.power_cycle, "Switching off and on", "is running", no_wait)
