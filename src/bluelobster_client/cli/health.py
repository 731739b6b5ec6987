"""`health`: whether the API is well."""

from bluelobster_client.cli.command import json_option, user_command
from bluelobster_client.cli.stop import EXIT_FAILED, Stop
from bluelobster_client.cli.terminal import print_facts, print_json, state
from bluelobster_client.client import Client
from bluelobster_client.models import Health


@user_command("health", needs_key=False)
@json_option
def health(client: Client, as_json: bool) -> None:
    """Ask whether the API is well. Needs no key; fails where the API is unhealthy."""
    answer = client.read_health()
    now = Health.parse(answer)
    if as_json:
        print_json(answer)
    else:
        parts = [(part, state(condition)) for part, condition in now.components.items()]
        print_facts(client.api_url, [("status", state(now.status)), *parts])
    if now.status == "unhealthy":
        raise Stop("The API is unhealthy.", EXIT_FAILED)
