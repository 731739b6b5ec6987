"""`stats`: what an instance uses."""

import json
import time
from collections.abc import Iterator
from itertools import count

import click
from rich.live import Live
from rich.text import Text

from bluelobster_client.cli.command import json_option, user_command
from bluelobster_client.cli.lookup import find_instance, label
from bluelobster_client.cli.terminal import clean, facts, print_json, screen, state
from bluelobster_client.cli.words import size, span
from bluelobster_client.client import Client
from bluelobster_client.models import Instance, Stats


@user_command("stats")
@click.argument("instance")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Seconds between two looks."
)
@json_option
def stats(client: Client, instance: str, watch: bool, interval: float, as_json: bool) -> None:
    """Show what an INSTANCE uses: CPU, memory, disk, network."""
    found = find_instance(client, instance)
    if not watch:
        show_once(client, found, as_json)
    elif as_json or not screen().is_interactive:
        watch_lines(client, found, interval, as_json)
    else:
        watch_in_place(client, found, interval)


def show_once(client: Client, instance: Instance, as_json: bool) -> None:
    now = client.stats(instance.uuid)
    if as_json:
        print_json(now.raw)
    else:
        screen().print(overview(instance, now), soft_wrap=True)


def watch_in_place(client: Client, instance: Instance, interval: float) -> None:
    with Live(console=screen()) as live:
        for now in samples(client, instance, interval):
            live.update(overview(instance, now), refresh=True)


def watch_lines(client: Client, instance: Instance, interval: float, as_json: bool) -> None:
    """One line a look, at once."""
    for now in samples(client, instance, interval):
        click.echo(json.dumps(now.raw) if as_json else clean(one_line(now)))


def samples(client: Client, instance: Instance, interval: float) -> Iterator[Stats]:
    for number in count():
        if number:
            time.sleep(interval)
        yield client.stats(instance.uuid)


def overview(instance: Instance, now: Stats) -> Text:
    return facts(
        label(instance),
        [
            ("power", state(now.status)),
            ("cpu", f"{now.cpu_percent:.1f} % of {now.cpu_cores} vCPUs"),
            ("memory", f"{size(now.memory_used)} of {size(now.memory_total)} ({now.memory_percent:.1f} %)"),
            ("disk", f"{size(now.disk_read_rate)}/s read, {size(now.disk_write_rate)}/s written"),
            ("network", f"{size(now.network_in_rate)}/s in, {size(now.network_out_rate)}/s out"),
            ("up", span(now.uptime_seconds)),
        ],
    )


def one_line(now: Stats) -> str:
    disk = f"{size(now.disk_read_rate)}/s read, {size(now.disk_write_rate)}/s written"
    network = f"{size(now.network_in_rate)}/s in, {size(now.network_out_rate)}/s out"
    return f"{now.status}: cpu {now.cpu_percent:.1f} %, memory {now.memory_percent:.1f} %, {disk}, {network}"
