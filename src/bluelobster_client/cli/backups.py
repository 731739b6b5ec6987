"""`backup list`, `create`, `restore`, `note` and `delete`: backups, of an instance or of all."""

import sys

import click

from bluelobster_client.backups import Backup
from bluelobster_client.cli.command import json_option, no_wait_option, program, user_command
from bluelobster_client.cli.follow import follow
from bluelobster_client.cli.lookup import find_instance, label
from bluelobster_client.cli.operations import carry_out
from bluelobster_client.cli.stop import EXIT_FAILED, EXIT_USAGE, Interrupted, Stop
from bluelobster_client.cli.terminal import clean, print_json, print_table, say
from bluelobster_client.cli.words import size
from bluelobster_client.client import Client


@click.group("backup")
def backup() -> None:
    """Backups of instances, which outlive them."""


@user_command("list")
@click.argument("instance", required=False)
@json_option
def list_backups(client: Client, instance: str | None, as_json: bool) -> None:
    """List the backups of an INSTANCE, or all, newest first: those of deleted instances too."""
    found = find_instance(client, instance) if instance else None
    if as_json:
        print_json(client.read(f"/instances/{found.uuid}/backups" if found else "/backups"))
        return
    backups = client.backups(found.uuid if found else None)
    print_table(
        ["BACKUP", "INSTANCE", "MADE", "SIZE", "STORED", "NOTES"],
        [
            [
                each.volid,
                found.name if found else of_instance(each),
                f"{each.created_at:%Y-%m-%d %H:%M} UTC" if each.created_at else "",
                size(each.size_bytes),
                "" if each.stored_bytes is None else size(each.stored_bytes),
                remarks(each),
            ]
            for each in backups
        ],
        right=["SIZE", "STORED"],
    )


def of_instance(backup: Backup) -> str:
    return f"{backup.instance_name or ''}{' (deleted)' if backup.instance_deleted else ''}"


def remarks(backup: Backup) -> str:
    """On one line."""
    said = [name for name in ("scheduled", "protected") if getattr(backup, name)]
    return ", ".join([*said, *(line for line in (backup.notes or "").splitlines() if line)])


@user_command("create")
@click.argument("instance")
@no_wait_option
def create(client: Client, instance: str, no_wait: bool) -> None:
    """Back an INSTANCE up, while it runs."""
    carry_out(client, find_instance(client, instance), client.back_up, "Backing up", "is backed up", no_wait)


@user_command("restore")
@click.argument("instance")
@click.argument("volid", metavar="BACKUP")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@no_wait_option
def restore(client: Client, instance: str, volid: str, yes: bool, no_wait: bool) -> None:
    """Replace what is on the disk of an INSTANCE with a BACKUP, of this or of another instance."""
    ask(yes, "Restoring needs --yes where nobody can be asked.")
    found = find_instance(client, instance)
    confirm(yes, f"Replace what is on the disk of {label(found)}? What was written since the backup is lost.")
    carry_out(
        client,
        found,
        lambda instance_id: client.restore(volid, instance_id),
        "Restoring",
        "is restored",
        no_wait,
    )


@user_command("note")
@click.argument("volid", metavar="BACKUP")
@click.argument("notes")
def note(client: Client, volid: str, notes: str) -> None:
    """Write NOTES down with a BACKUP, in place of those that it has."""
    client.note_backup(volid, notes)
    click.echo(clean(f"{volid} has these notes now."))


@user_command("delete")
@click.argument("volid", metavar="BACKUP")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@no_wait_option
def delete(client: Client, volid: str, yes: bool, no_wait: bool) -> None:
    """Delete a BACKUP, by its name in the list, for good."""
    ask(yes, "Deleting needs --yes where nobody can be asked.")
    confirm(yes, f"Delete {volid} for good?")
    say(f"Deleting {volid} …")
    answer = client.delete_backup(volid)
    look = f"{program()} task {answer.task_id}"
    if no_wait or answer.task_id is None:
        click.echo(clean(f"Accepted. Follow it with `{look} --wait`."))
        return
    try:
        follow(client, answer.task_id, volid)
    except KeyboardInterrupt:
        raise Interrupted(f"The deletion goes on: `{look}` shows how.") from None
    click.echo(clean(f"{volid} is deleted."))


def ask(yes: bool, otherwise: str) -> None:
    """Raises `Stop` where nobody can be asked."""
    if not yes and not sys.stdin.isatty():
        raise Stop(otherwise, EXIT_USAGE)


def confirm(yes: bool, question: str) -> None:
    """Raises `Stop` for a no."""
    if not yes and not click.confirm(clean(question), err=True):
        raise Stop("Nothing was changed.", EXIT_FAILED)


for command in (list_backups, create, restore, note, delete):
    backup.add_command(command)
