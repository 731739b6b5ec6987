"""`tasks` and `task`: operations and how they get on."""

import click

from bluelobster_client.cli.command import json_option, program, user_command
from bluelobster_client.cli.follow import follow
from bluelobster_client.cli.lookup import find_task_id
from bluelobster_client.cli.stop import Interrupted
from bluelobster_client.cli.terminal import print_facts, print_json, print_table, state
from bluelobster_client.cli.words import age, short, span
from bluelobster_client.client import Client, task_query
from bluelobster_client.models import Task


@user_command("tasks")
@click.option("--limit", type=int, help="At most so many (1 to 100). [default: 50]")
@click.option("--days", type=int, help="Of so many days back (1 to 7). [default: 1]")
@click.option("--status", help="Only PENDING, PROCESSING, COMPLETED or FAILED ones.")
@json_option
def tasks(client: Client, limit: int | None, days: int | None, status: str | None, as_json: bool) -> None:
    """List recent operations, newest first."""
    if as_json:
        print_json(client.read("/tasks", **task_query(limit, days, status)))
        return
    found = client.tasks(limit=limit, days=days, status=status)
    if not found:
        click.echo("There are no such operations." if status else "There are no operations in this time.")
        return
    print_table(
        ["TASK", "OPERATION", "STATUS", "AGE", "TOOK", "MESSAGE"],
        [
            [
                short(entry.task_id),
                entry.operation,
                state(entry.status),
                age(entry.created_at),
                took(entry),
                entry.message,
            ]
            for entry in found
        ],
        right=["AGE", "TOOK"],
    )


@user_command("task")
@click.argument("task_id")
@click.option("--wait", is_flag=True, help="Wait for its end.")
@json_option
def task(client: Client, task_id: str, wait: bool, as_json: bool) -> None:
    """Show one operation, by its id or the beginning of it."""
    whole_id = find_task_id(client, task_id)
    if wait:
        try:
            found = follow(client, whole_id, short(whole_id))
        except KeyboardInterrupt:
            raise Interrupted(f"The operation goes on: `{program()} task {whole_id}` shows how.") from None
    else:
        found = client.task(whole_id)
    if as_json:
        print_json(found.raw)
        return
    print_facts(
        found.operation,
        [
            ("task", found.task_id),
            ("status", state(found.status)),
            ("progress", None if found.ended or found.progress is None else f"{found.progress} %"),
            ("message", found.message or None),
            ("instance", found.instance_id),
            ("begun", f"{age(found.created_at)} ago" if found.created_at else None),
            ("took", took(found) or None),
        ],
    )


def took(entry: Task) -> str:
    """How long an operation took that has ended."""
    if not entry.ended or not entry.created_at or not entry.updated_at:
        return ""
    return span((entry.updated_at - entry.created_at).total_seconds())
