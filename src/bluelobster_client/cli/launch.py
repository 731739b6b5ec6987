"""`launch`: makes a virtual machine and shows how to log in."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click

from bluelobster_client.cli.choices import choose_type, choose_username, find_template
from bluelobster_client.cli.command import no_wait_option, program, user_command
from bluelobster_client.cli.explain import sentence
from bluelobster_client.cli.follow import follow
from bluelobster_client.cli.login import command_to_copy
from bluelobster_client.cli.sshkeys import PublicKey, default_public_key, public_key
from bluelobster_client.cli.stop import EXIT_FAILED, EXIT_USAGE, Interrupted, Stop
from bluelobster_client.cli.terminal import print_facts, print_json, say
from bluelobster_client.cli.words import price, span
from bluelobster_client.client import Client
from bluelobster_client.models import Instance, Launch
from bluelobster_client.waiting import TaskFailed


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; None where it was left open."""

    name: str | None
    instance_type: str | None
    region: str | None
    template_name: str | None
    username: str | None
    password: str | None
    key: PublicKey | None
    key_names: tuple[str, ...]
    user_data: str | None
    metadata: dict[str, str]

    @property
    def can_log_in(self) -> bool:
        return bool(self.key or self.key_names or self.password)


@user_command("launch")
@click.option("--name", help="Name of the instance. [default: made up]")
@click.option("--ssh-key", metavar="FILE", help="Public key to log in with. [default: the first of ~/.ssh/id_*.pub]")
@click.option("--key-name", "key_names", metavar="NAME", multiple=True, help="A registered SSH key; repeatable.")
@click.option("--user-data", type=click.File(), metavar="FILE", help="What cloud-init shall do; - for stdin.")
@click.option("--type", "instance_type", metavar="TYPE", help="Instance type. [default: the cheapest that has room]")
@click.option("--region", help="Where. [default: the first region with room]")
@click.option("--template", "template_name", metavar="TEMPLATE", help="Operating system. [default: by type]")
@click.option("--username", help="User to make in the guest. [default: the template's]")
@click.option(
    "--password",
    prompt=True,
    prompt_required=False,
    hide_input=True,
    confirmation_prompt=True,
    help="Password for that user; without a value it is asked for.",
)
@click.option("--metadata", metavar="KEY=VALUE", multiple=True, help="A note to keep with the instance; repeatable.")
@no_wait_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's answers as JSON.")
def launch(
    client: Client,
    name: str | None,
    ssh_key: str | None,
    key_names: tuple[str, ...],
    user_data: TextIO | None,
    instance_type: str | None,
    region: str | None,
    template_name: str | None,
    username: str | None,
    password: str | None,
    metadata: tuple[str, ...],
    no_wait: bool,
    as_json: bool,
) -> None:
    """Launch a virtual machine and show how to log in.

    Everything has a default: `launch` alone makes the cheapest machine and lets your SSH key in.
    """
    if password == "":
        raise Stop("--password must not be empty; without a value it is asked for.", EXIT_USAGE)
    key = public_key(ssh_key) if ssh_key else None
    notes = metadata_of(metadata)
    own = None if key_names else own_key(password)
    wishes = Wishes(
        name,
        instance_type,
        region,
        template_name,
        username,
        password,
        key or own,
        key_names,
        user_data.read() if user_data else None,
        notes,
    )
    started = time.monotonic()
    accepted = request(client, wishes)
    if no_wait:
        show_accepted(accepted, as_json)
        return
    wait(client, accepted, name, as_json)
    instance = client.instance(accepted.instance_id)
    if as_json:
        print_json(
            {"launch": accepted.raw, "task": client.read(f"/tasks/{accepted.task_id}"), "instance": instance.raw}
        )
        return
    show_ready(instance, accepted, wishes, time.monotonic() - started)


def own_key(password: str | None) -> PublicKey | None:
    """The user's usual key, unless a password was asked for instead."""
    return None if password else default_public_key(Path.home())


def metadata_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """Raises `Stop` where a pair has no `=`."""
    for pair in pairs:
        if not pair.partition("=")[0] or "=" not in pair:
            raise Stop(f"--metadata {pair}: write it as KEY=VALUE.", EXIT_USAGE)
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def request(client: Client, wishes: Wishes) -> Launch:
    """Fills in what was left open, says what will be launched, and asks for it."""
    username = wishes.username or ""
    if not username or not wishes.can_log_in:
        username = complete_login(client, wishes)
    instance_type, region = wishes.instance_type, wishes.region
    if not instance_type or not region:
        types = client.types()
        if not any(entry.regions for entry in types) and not client.templates():
            raise Stop("There is nothing to launch yet: the operator has not provided any template.", EXIT_FAILED)
        instance_type, region = choose_type(types, instance_type, region)
    say(announcement(wishes, instance_type, region, username))
    try:
        return client.launch(
            region=region,
            instance_type=instance_type,
            username=username,
            name=wishes.name,
            ssh_key=wishes.key.text if wishes.key else None,
            ssh_key_names=wishes.key_names,
            user_data=wishes.user_data,
            password=wishes.password,
            template_name=wishes.template_name,
            metadata=wishes.metadata,
        )
    except KeyboardInterrupt:
        raise Interrupted(f"The launch may have been accepted: look with `{program()} list`.") from None


def complete_login(client: Client, wishes: Wishes) -> str:
    """The user name to make.

    Raises `Stop` where a Linux machine would let nobody in.
    """
    templates = client.templates()
    template = find_template(templates, wishes.template_name) if wishes.template_name else None
    if not (wishes.can_log_in or (template and template.is_windows)):
        raise Stop(
            "There is no public SSH key in ~/.ssh to log in with. Make one with: ssh-keygen -t ed25519\n"
            "Or name one with --ssh-key FILE, or log in with a --password.",
            EXIT_USAGE,
        )
    return wishes.username or choose_username(template, templates)


def announcement(wishes: Wishes, instance_type: str, region: str, username: str) -> str:
    what = f"{wishes.name or 'a machine'}: {instance_type} in {region}"
    key = f", key {wishes.key.path}" if wishes.key and wishes.key.path else ""
    return f"Launching {what}, user {username}{key}"


def wait(client: Client, accepted: Launch, name: str | None, as_json: bool) -> None:
    """Raises `Stop` where the launch fails, `Interrupted` on Ctrl-C, which does not end the launch."""
    label = name or accepted.instance_id
    try:
        follow(client, accepted.task_id, label)
    except TaskFailed as error:
        if as_json:
            print_json({"launch": accepted.raw, "task": error.task.raw, "instance": None})
        raise Stop(f"{label} could not be launched: {sentence(str(error))}", EXIT_FAILED) from error
    except KeyboardInterrupt:
        raise Interrupted(
            f"The launch goes on. Look at it with `{program()} task {accepted.task_id}`,\n"
            f"and delete the instance with `{program()} delete {label}`."
        ) from None


def show_accepted(accepted: Launch, as_json: bool) -> None:
    if as_json:
        print_json(accepted.raw)
        return
    look = f"{program()} task {accepted.task_id} --wait"
    print_facts(
        "The launch is under way",
        [("id", accepted.instance_id), ("address", accepted.assigned_ip), ("follow", look), *secrets(accepted)],
    )


def show_ready(instance: Instance, accepted: Launch, wishes: Wishes, seconds: float) -> None:
    print_facts(
        f"{instance.name} is ready after {span(seconds)}",
        [
            ("id", instance.uuid),
            ("address", instance.ip_address),
            ("price", price(instance.price_cents_per_hour)),
            *secrets(accepted),
            ("log in", command_to_copy(instance, wishes.key.private if wishes.key else None)),
        ],
    )


def secrets(accepted: Launch) -> list[tuple[str, str | None]]:
    """A generated login; it is shown this once."""
    login = accepted.credentials
    if login is None:
        return []
    lost = "lost with the connection: delete the machine and launch it anew, with a --password"
    return [("user", login.username), ("password", f"{login.password}   (shown only now)" if login.password else lost)]
