"""`types` and `templates`: what there is to launch."""

from rich.text import Text

from bluelobster_client.cli.command import json_option, user_command
from bluelobster_client.cli.terminal import clean, print_json, print_table
from bluelobster_client.cli.words import price
from bluelobster_client.client import Client
from bluelobster_client.models import InstanceType


@user_command("types")
@json_option
def types(client: Client, as_json: bool) -> None:
    """List the instance types, their prices, and the regions with room for one more."""
    if as_json:
        print_json(client.read("/instances/available"))
        return
    print_table(
        ["TYPE", "VCPUS", "MEMORY", "DISK", "GPU", "PRICE", "ROOM IN"],
        [
            [
                entry.name,
                str(entry.vcpus),
                f"{entry.memory_gib} GiB",
                f"{entry.storage_gib} GiB",
                f"{entry.gpus} × {entry.gpu_model or 'GPU'}" if entry.gpus else "",
                price(entry.price_cents_per_hour) or "",
                room(entry),
            ]
            for entry in client.types()
        ],
        right=["VCPUS", "MEMORY", "DISK", "PRICE"],
    )


def room(entry: InstanceType) -> Text:
    regions = ", ".join(region.name for region in entry.regions)
    return Text(clean(regions)) if regions else Text("no region now", style="dim")


@user_command("templates")
@json_option
def templates(client: Client, as_json: bool) -> None:
    """List what an instance can be launched with."""
    if as_json:
        print_json(client.read("/instances/templates"))
        return
    print_table(
        ["TEMPLATE", "DESCRIPTION", "SYSTEM", "WITH", "DISK FROM", "USER"],
        [
            [
                entry.name,
                entry.display_name,
                entry.os_type or "",
                ", ".join(
                    part for part, has in (("Docker", entry.has_docker), ("NVIDIA", entry.has_nvidia_driver)) if has
                ),
                f"{entry.min_disk_gb} GB" if entry.min_disk_gb else "",
                entry.default_username or "",
            ]
            for entry in client.templates()
        ],
        right=["DISK FROM"],
    )
