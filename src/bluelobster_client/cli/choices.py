"""What a launch takes where the user left it open."""

import getpass
import re
from collections.abc import Sequence

from bluelobster_client.cli.stop import EXIT_FAILED, EXIT_USAGE, Stop
from bluelobster_client.models import InstanceType, Template

LONGEST_USERNAME = 32
USERNAME_OF_LAST_RESORT = "bluelobster"


def choose_type(types: Sequence[InstanceType], name: str | None, region: str | None) -> tuple[str, str]:
    """An instance type and a region: the cheapest type that has room (in the region, if given) and the first region
    with room for it.

    Raises `Stop` where a name is unknown or there is no room.
    """
    if name and name not in {entry.name for entry in types}:
        known = ", ".join(entry.name for entry in types)
        raise Stop(f"There is no instance type {name!r}.\nThere are: {known}.", EXIT_USAGE)
    regions = sorted({place.name for entry in types for place in entry.regions})
    if region and regions and region not in regions:
        others = ", ".join(regions)
        raise Stop(f"There is no region {region!r}, or no room in it now.\nThere is room in: {others}.", EXIT_FAILED)
    roomy = [entry for entry in types if has_room(entry, region)]
    wanted = [entry for entry in roomy if name in {None, entry.name}]
    if not wanted:
        raise Stop(no_room(name, region, roomy), EXIT_FAILED)
    best = min(wanted, key=lambda entry: entry.price_cents_per_hour)
    return best.name, region or best.regions[0].name


def has_room(entry: InstanceType, region: str | None) -> bool:
    return any(region in {None, place.name} for place in entry.regions)


def no_room(name: str | None, region: str | None, roomy: Sequence[InstanceType]) -> str:
    what = f"no room for {name}" if name else "no room for any instance type"
    where = f"in {region}" if region else "in any region"
    others = ", ".join(entry.name for entry in roomy)
    return f"There is {what} {where} now.\n" + (f"There is room for: {others}." if others else "Try again later.")


def find_template(templates: Sequence[Template], name: str) -> Template:
    """Raises `Stop` where there is no template of this name."""
    for template in templates:
        if template.name == name:
            return template
    known = ", ".join(template.name for template in templates)
    raise Stop(f"There is no template {name!r}.\nThere are: {known}.", EXIT_USAGE)


def choose_username(template: Template | None, templates: Sequence[Template]) -> str:
    """The template's own user. Where the API chooses the template: the user that all of them share, or ours."""
    shared = {entry.default_username for entry in ([template] if template else templates)}
    only = shared.pop() if len(shared) == 1 else None
    return only or local_username()


def local_username() -> str:
    """The name of whoever runs this, as far as a guest can have such a user; never root."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = ""
    usable = re.sub(r"^[^a-z]+|[^a-z0-9-]", "", name.lower())[:LONGEST_USERNAME]
    return usable if usable not in {"", "root"} else USERNAME_OF_LAST_RESORT
