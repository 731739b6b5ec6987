"""`billing balance`, `billing usage`, `billing invoices`, `billing prices`: what it costs; and how to pay for it."""

import click

from bluelobster_client.cli.command import json_option, user_command
from bluelobster_client.cli.terminal import print_json, print_table
from bluelobster_client.cli.top_ups import top_up, top_ups
from bluelobster_client.cli.words import dollars
from bluelobster_client.client import Client
from bluelobster_client.fields import Fields


@click.group("billing")
def billing() -> None:
    """What your account has, what it used, and what things cost; and more credit."""


@user_command("balance")
@json_option
def balance(client: Client, as_json: bool) -> None:
    """Show what your account has, and what it spends."""
    answer = client.read("/billing/balance")
    if as_json:
        print_json(answer)
        return
    fields = Fields(answer, "balance")
    print_table(
        ["BALANCE", "SPENT THIS MONTH", "INSTANCES AN HOUR", "CHARGED UP TO", "LASTS", "STANDING"],
        [
            [
                *(dollars(fields.whole(f"{each}_cents")) for each in ("balance", "charged_this_month")),
                dollars(fields.whole("cents_per_hour")),
                fields.text_or_none("charged_to") or "",
                lasts(fields.whole_or_none("hours_left")),
                fields.text("standing").replace("_", " "),
            ]
        ],
    )
    if (step := fields.text_or_none("next_step_at")) is not None:
        what = "shut down" if fields.text("standing") == "past_due" else "deleted, with their backups,"
        click.echo(f"Your instances are {what} at {step} unless you pay before.")


def lasts(hours: int | None) -> str:
    """How long what there is lasts, with what is used now."""
    if hours is None:
        return ""
    return f"{hours} h" if hours < 72 else f"{hours // 24} days"


@user_command("usage")
@click.option("--from", "since", metavar="DAY", help="First day, such as 2026-11-01. [default: the first of the month]")
@click.option("--to", "until", metavar="DAY", help="Last day, included. [default: today]")
@click.option("--by", "group", type=click.Choice(("instance", "team", "day")), default="instance", show_default=True)
@json_option
def usage(client: Client, since: str | None, until: str | None, group: str, as_json: bool) -> None:
    """Show what use cost, by instance, team or day (UTC)."""
    given = {"from": since, "to": until, "group_by": group, "limit": 1000}
    answer = client.read("/billing/usage", **{name: value for name, value in given.items() if value is not None})
    if as_json:
        print_json(answer)
        return
    fields = Fields(answer, "usage")
    lines = [Fields(each, "line of usage") for each in fields.items("lines")]
    names = {"instance": "instance_name", "team": "team_name", "day": "day"}
    amounts = ("instance_cents", "address_cents", "backup_cents", "total_cents")
    print_table(
        [group.upper(), "HOURS", "INSTANCES", "ADDRESSES", "BACKUPS", "TOTAL"],
        [
            [
                each.text_or_none(names[group]) or "",
                f"{each.number('instance_hours'):.1f}",
                *(dollars(each.whole(name)) for name in amounts),
            ]
            for each in lines
        ],
        right=["HOURS", "INSTANCES", "ADDRESSES", "BACKUPS", "TOTAL"],
    )
    click.echo(f"{dollars(fields.whole('total_cents'))} in all, {fields.text('from')} to {fields.text('to')}")


@user_command("invoices")
@json_option
def invoices(client: Client, as_json: bool) -> None:
    """List your invoices, newest first."""
    answer = client.read("/billing/invoices", limit=100)
    if as_json:
        print_json(answer)
        return
    found = [Fields(each, "invoice") for each in Fields(answer, "list of invoices").items("invoices")]
    amounts = ("opening_balance_cents", "credited_cents", "charged_cents", "closing_balance_cents")
    print_table(
        ["NUMBER", "MONTH", "BEFORE", "CREDITED", "CHARGED", "AFTER", "ID"],
        [
            [
                each.text("number"),
                each.text("month"),
                *(dollars(each.whole(name)) for name in amounts),
                each.text("id"),
            ]
            for each in found
        ],
        right=["BEFORE", "CREDITED", "CHARGED", "AFTER"],
    )


@user_command("prices")
@json_option
def prices(client: Client, as_json: bool) -> None:
    """List what everything costs."""
    answer = client.read("/billing/prices")
    if as_json:
        print_json(answer)
        return
    found = [Fields(each, "price") for each in Fields(answer, "list of prices").items("prices")]
    print_table(
        ["WHAT", "PRICE", "A"],
        [
            [each.text_or_none("instance_type") or each.text("item"), dollars(each.whole("cents")), each.text("unit")]
            for each in found
        ],
        right=["PRICE"],
    )


for command in (balance, usage, invoices, prices, top_up, top_ups):
    billing.add_command(command)
