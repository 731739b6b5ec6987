"""Adding what may be there already: nothing that is on record changes unasked, or without its being said."""

from typing import Any

import click

from bluelobster.admin.session import Wrong

replace_option = click.option("--replace", is_flag=True, help="Change it, if it exists already.")


def outcome(what: str, before: Any, after: Any, replace: bool) -> str:
    """What to say of `after`, which takes the place of `before` (None where it is new). Raises Wrong for a change that
    was not asked for."""
    if before is None:
        return f"{what} added"
    old, new = vars(before), vars(after)
    changes = ", ".join(f"{name} from {old[name]!r} to {new[name]!r}" for name in new if old[name] != new[name])
    if not changes:
        return f"{what} is so already"
    if not replace:
        raise Wrong(f"{what} exists already; with --replace this changes {changes}")
    return f"{what} changed: {changes}"
