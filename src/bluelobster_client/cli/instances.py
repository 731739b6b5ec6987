"""`list`, `show`, `delete`, `rename`."""

import sys

import click

from bluelobster_client.cli.command import json_option, no_wait_option, program, user_command
from bluelobster_client.cli.login import command_to_copy
from bluelobster_client.cli.lookup import find_instance, label
from bluelobster_client.cli.operations import carry_out
from bluelobster_client.cli.stop import EXIT_FAILED, EXIT_USAGE, Stop
from bluelobster_client.cli.terminal import clean, print_facts, print_json, print_table, state
from bluelobster_client.cli.words import age, price, short
from bluelobster_client.client import Client
from bluelobster_client.models import Instance


@user_command("list")
@json_option
def list_instances(client: Client, as_json: bool) -> None:
    """List your instances, newest first."""
    if as_json:
        print_json(client.read("/instances"))
        return
    instances = client.instances()
    if not instances:
        click.echo(f"You have no instances. Make one with `{program()} launch`.")
        return
    print_table(
        ["NAME", "ID", "TYPE", "REGION", "ADDRESS", "POWER", "AGE", "PRICE"],
        [
            [
                instance.name,
                short(instance.uuid),
                instance.instance_type or "",
                instance.region or "",
                instance.ip_address or "",
                state(condition(instance)),
                age(instance.created_at),
                price(instance.price_cents_per_hour) or "",
            ]
            for instance in instances
        ],
        right=["AGE", "PRICE"],
    )


def condition(instance: Instance) -> str:
    """The power state; while the machine comes or goes, that."""
    return instance.status if instance.status in {"creating", "terminating"} else instance.power_status or "unknown"


@user_command("show")
@click.argument("instance")
@json_option
def show(client: Client, instance: str, as_json: bool) -> None:
    """Show one INSTANCE, by its name or id."""
    found = client.instance(find_instance(client, instance).uuid)
    if as_json:
        print_json(found.raw)
        return
    gpus = f", {found.gpu_count} × {found.gpu_model or 'GPU'}" if found.gpu_count else ""
    created = f"{found.created_at:%Y-%m-%d %H:%M} UTC ({age(found.created_at)} ago)" if found.created_at else None
    print_facts(
        found.name,
        [
            ("id", found.uuid),
            ("power", state(condition(found))),
            ("type", found.instance_type),
            ("size", f"{found.cpu_cores} vCPUs, {found.memory} GB memory, {found.storage} GB disk{gpus}"),
            ("system", found.template_display_name or found.template_name),
            ("region", found.region),
            ("address", found.ip_address),
            ("internal", found.internal_ip),
            ("team", found.team_name),
            ("price", price(found.price_cents_per_hour)),
            ("created", created),
            ("metadata", ", ".join(f"{key}={value}" for key, value in found.metadata.items()) or None),
            ("log in", command_to_copy(found)),
        ],
    )


@user_command("delete")
@click.argument("instance")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@no_wait_option
def delete(client: Client, instance: str, yes: bool, no_wait: bool) -> None:
    """Delete an INSTANCE and all its data, for good."""
    if not yes and not sys.stdin.isatty():
        raise Stop("Deleting needs --yes where nobody can be asked.", EXIT_USAGE)
    found = find_instance(client, instance)
    question = f"Delete {label(found)} and all its data?"
    if not yes and not click.confirm(clean(question), err=True):
        raise Stop("Nothing was deleted.", EXIT_FAILED)
    carry_out(client, found, client.delete, "Deleting", "is deleted", no_wait)


@user_command("rename")
@click.argument("instance")
@click.argument("new_name")
def rename(client: Client, instance: str, new_name: str) -> None:
    """Give an INSTANCE the name NEW_NAME.

    Its host name follows at the next power-cycle.
    """
    found = find_instance(client, instance)
    name = client.rename(found.uuid, new_name)
    click.echo(clean(f"{found.name} is now called {name}. Its host name follows at the next power-cycle."))
