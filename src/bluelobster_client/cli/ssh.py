"""`ssh`: logs in to an instance."""

import os
from pathlib import Path

import click

from bluelobster_client.cli.command import program, user_command
from bluelobster_client.cli.login import ssh_command
from bluelobster_client.cli.lookup import find_instance
from bluelobster_client.cli.stop import Stop
from bluelobster_client.client import Client
from bluelobster_client.models import Instance


# Options after the instance are ssh's.
@user_command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-i", "--identity", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Private key.")
@click.argument("instance")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def ssh(client: Client, instance: str, identity: Path | None, arguments: tuple[str, ...]) -> None:
    """Log in to an INSTANCE by SSH.

    What follows the instance goes to ssh as it is: options, or a command to run there.
    """
    found = find_instance(client, instance)
    check_ready(found)
    command = [*ssh_command(found, identity), *arguments]
    try:
        os.execvp(command[0], command)  # noqa: S606 - to become ssh is the point; no shell is involved.
    except FileNotFoundError:
        raise Stop("There is no ssh on this machine. Install OpenSSH's client (Debian: openssh-client).") from None


def check_ready(instance: Instance) -> None:
    if instance.status == "creating":
        raise Stop(f"{instance.name} is still being created. `{program()} tasks` shows how it gets on.")
    if instance.power_status == "stopped":
        raise Stop(f"{instance.name} is switched off. Switch it on with `{program()} power-on {instance.name}`.")
