"""`events`: what happened, and what happens."""

import json
from collections.abc import Sequence

import click

from bluelobster_client.cli.command import json_option, user_command
from bluelobster_client.cli.lookup import find_instance
from bluelobster_client.cli.terminal import clean
from bluelobster_client.cli.words import short
from bluelobster_client.client import Client
from bluelobster_client.events import Event


@user_command("events")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option("--instance", help="Only of this instance, by name or id.")
@click.option("--kind", "kinds", multiple=True, help="Only of this kind, such as task.failed; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many to begin with.")
@json_option
def events(client: Client, follow: bool, instance: str | None, kinds: Sequence[str], limit: int, as_json: bool) -> None:
    """Show what happened to instances and operations, oldest first."""
    instance_id = find_instance(client, instance).uuid if instance else None
    page = client.recent_events(instance_id=instance_id, kinds=kinds, limit=limit)
    for event in page.events:
        show(event, as_json)
    if follow:
        for event in client.events(after=page.next, instance_id=instance_id, kinds=kinds):
            show(event, as_json)
    elif not page.events and not as_json:
        click.echo("Nothing has happened.")


def show(event: Event, as_json: bool) -> None:
    """One line, at once: it may be read by a program."""
    if as_json:
        click.echo(json.dumps(event.raw))
        return
    moment = event.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if event.created_at else ""
    said = [event.data.text_or_none(name) for name in ("name", "operation", "message", "power_status")]
    told = " · ".join(each for each in said if each)
    click.echo(clean(f"{moment}  {event.kind:<20}  {short(event.instance_id or ''):<8}  {told}"))
