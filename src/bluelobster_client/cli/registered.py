"""`ssh-key`: the keys that an account registered for its launches."""

import click

from bluelobster_client.cli.command import json_option, user_command
from bluelobster_client.cli.sshkeys import public_key
from bluelobster_client.cli.terminal import print_json, print_table, say
from bluelobster_client.cli.words import age
from bluelobster_client.client import Client


@click.group("ssh-key")
def ssh_key() -> None:
    """Keys that `launch --key-name` takes."""


@user_command("list")
@json_option
def list_keys(client: Client, as_json: bool) -> None:
    """List the registered keys."""
    if as_json:
        print_json(client.read("/ssh-keys"))
        return
    print_table(
        ["NAME", "FINGERPRINT", "AGE", "ID"],
        [[key.name, key.fingerprint, age(key.created_at), key.id] for key in client.ssh_keys()],
    )


@user_command("add")
@click.argument("name")
@click.argument("key", metavar="FILE")
@json_option
def add(client: Client, name: str, key: str, as_json: bool) -> None:
    """Register the public key in FILE under NAME."""
    added = client.add_ssh_key(name, public_key(key).text)
    if as_json:
        print_json(added.raw)
        return
    say(f"{added.name} is registered: {added.fingerprint}")


@user_command("remove")
@click.argument("name")
def remove(client: Client, name: str) -> None:
    """Forget a key, by its name or id. Machines that have it keep it."""
    client.remove_ssh_key(name)
    say(f"{name} is removed.")


for command in (list_keys, add, remove):
    ssh_key.add_command(command)
