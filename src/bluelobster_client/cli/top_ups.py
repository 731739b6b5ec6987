"""`billing top-up`, `billing top-ups`: credit that is bought."""

import re

import click

from bluelobster_client.cli.command import json_option, user_command
from bluelobster_client.cli.terminal import print_json, print_table, say
from bluelobster_client.cli.words import age, dollars
from bluelobster_client.client import Client

AMOUNT = re.compile(r"\$?(\d{1,8})(?:\.(\d\d))?", re.ASCII)


class Dollars(click.ParamType[int]):
    """An amount as people write it, in cents."""

    name = "dollars"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = AMOUNT.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no amount of dollars, such as 25 or 25.50", param, ctx)
        return int(found[1]) * 100 + int(found[2] or 0)


@user_command("top-up")
@click.argument("amount", metavar="DOLLARS", type=Dollars())
@json_option
def top_up(client: Client, amount: int, as_json: bool) -> None:
    """Buy credit for DOLLARS: prints the address of a page where it can be paid."""
    begun = client.top_up(amount)
    if as_json:
        print_json(begun.raw)
        return
    say(f"Pay {dollars(begun.amount_cents)} here; the credit is there as soon as the payment is:")
    click.echo(begun.url or "")


@user_command("top-ups")
@json_option
def top_ups(client: Client, as_json: bool) -> None:
    """List credit that was bought or was to be, newest first."""
    if as_json:
        print_json(client.read("/billing/top-ups", limit=100))
        return
    print_table(
        ["AMOUNT", "STATUS", "REFUNDED", "AGE", "ID"],
        [
            [dollars(each.amount_cents), each.status, dollars(each.refunded_cents), age(each.created_at), each.id]
            for each in client.top_ups()
        ],
        right=["AMOUNT", "REFUNDED"],
    )
