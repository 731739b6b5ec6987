"""`ip list`, `ip add`, `ip remove`: the addresses of an instance."""

import click

from bluelobster_client.cli.command import json_option, no_wait_option, user_command
from bluelobster_client.cli.lookup import find_instance
from bluelobster_client.cli.operations import carry_out
from bluelobster_client.cli.terminal import print_json, print_table
from bluelobster_client.client import Client
from bluelobster_client.models import Address, Operation


@click.group("ip")
def ip() -> None:
    """The IP addresses of an instance."""


@user_command("list")
@click.argument("instance")
@json_option
def list_ips(client: Client, instance: str, as_json: bool) -> None:
    """List the addresses of an INSTANCE."""
    found = find_instance(client, instance)
    if as_json:
        print_json(client.read(f"/instances/{found.uuid}/ips"))
        return
    print_table(
        ["ADDRESS", "GATEWAY", "CARD", "PRICE"],
        [
            [f"{each.ip_address}/{each.prefix}", each.gateway or "", each.mac_address, price_of(each)]
            for each in client.ips(found.uuid)
        ],
        right=["PRICE"],
    )


def price_of(address: Address) -> str:
    return "" if address.is_primary else f"${address.price_cents_per_month / 100:.2f}/month"


@user_command("add")
@click.argument("instance")
@no_wait_option
def add(client: Client, instance: str, no_wait: bool) -> None:
    """Give an INSTANCE one more address, on a network card of its own. It costs by the month."""
    found = find_instance(client, instance)
    given: list[str] = []

    def assign(instance_id: str) -> Operation:
        answer = client.assign_ip(instance_id)
        given.append(str(answer.raw.get("ip_address", "")))
        return answer

    carry_out(client, found, assign, "Adding an address to", "has one more address", no_wait)
    click.echo(given[0])


@user_command("remove")
@click.argument("instance")
@click.argument("address")
@no_wait_option
def remove(client: Client, instance: str, address: str, no_wait: bool) -> None:
    """Take an additional ADDRESS away from an INSTANCE."""
    found = find_instance(client, instance)
    carry_out(
        client,
        found,
        lambda instance_id: client.release_ip(instance_id, address),
        f"Removing {address} from",
        f"no longer has {address}",
        no_wait,
    )


for command in (list_ips, add, remove):
    ip.add_command(command)
