"""`console`: the way to an instance's screen."""

import click

from bluelobster_client.cli.command import json_option, user_command
from bluelobster_client.cli.lookup import find_instance, label
from bluelobster_client.cli.ssh import check_ready
from bluelobster_client.cli.terminal import facts, print_json, screen
from bluelobster_client.client import Client


@user_command("console")
@click.argument("instance")
@json_option
def console(client: Client, instance: str, as_json: bool) -> None:
    """Get a link to the screen and keyboard of an INSTANCE.

    It opens once, within 30 seconds: in a browser, or in a VNC viewer with the password.
    """
    found = find_instance(client, instance)
    check_ready(found)
    way = client.console(found.uuid)
    if as_json:
        print_json(way.raw)
        return
    rows = [("browser", way.console_url), ("VNC viewer", f"{way.host}::{way.port}"), ("password", way.password)]
    screen().print(facts(f"{label(found)}: one of these, once, within 30 seconds", rows), soft_wrap=True)
