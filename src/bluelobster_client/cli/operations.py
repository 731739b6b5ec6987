"""Carries out an operation on an instance and waits for its end."""

from collections.abc import Callable

import click

from bluelobster_client.cli.command import program
from bluelobster_client.cli.follow import follow
from bluelobster_client.cli.stop import Interrupted
from bluelobster_client.cli.terminal import clean, say
from bluelobster_client.client import Client
from bluelobster_client.models import Instance, Operation


def carry_out(
    client: Client,
    instance: Instance,
    operation: Callable[[str], Operation],
    doing: str,
    done: str,
    no_wait: bool,
) -> None:
    """Says `doing` the instance, does it, and says that it is `done`.

    Raises what the client raises, and `Interrupted` with where to look on Ctrl-C, which does not end the operation.
    """
    say(f"{doing} {instance.name} …")
    try:
        answer = operation(instance.uuid)
    except KeyboardInterrupt:
        raise Interrupted(f"The operation may go on: look with `{program()} tasks`.") from None
    if answer.task_id and not answer.done:
        look = f"{program()} task {answer.task_id}"
        if no_wait:
            click.echo(clean(f"Accepted. Follow it with `{look} --wait`."))
            return
        try:
            follow(client, answer.task_id, instance.name)
        except KeyboardInterrupt:
            raise Interrupted(f"The operation goes on: `{look}` shows how.") from None
    click.echo(clean(f"{instance.name} {done}."))
