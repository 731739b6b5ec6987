"""Finds the thing that a user means by a name, an id or the beginning of an id."""

import difflib
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from bluelobster_client.cli.command import program
from bluelobster_client.cli.stop import EXIT_NOT_FOUND, EXIT_USAGE, Stop
from bluelobster_client.cli.words import short
from bluelobster_client.client import Client
from bluelobster_client.models import Instance

T = TypeVar("T")

SHORTEST_PREFIX = 4
SUGGESTIONS = 3
TASK_LIMIT, TASK_DAYS = 100, 7


def find_instance(client: Client, word: str) -> Instance:
    """The instance with this id, name, or unique beginning of an id.

    Raises `Stop` where there is none, or more than one.
    """
    if is_uuid(word):
        return client.instance(word)
    instances = client.instances()
    named = [instance for instance in instances if word in {instance.name, instance.uuid}]
    found = named or by_prefix(instances, word, lambda instance: instance.uuid)
    if len(found) > 1:
        meant = ", ".join(f"{instance.name} ({instance.uuid})" for instance in found)
        raise Stop(f"{word!r} could be any of: {meant}.\nGive the id.", EXIT_USAGE)
    if not found:
        raise Stop(unknown(word, [instance.name for instance in instances]), EXIT_NOT_FOUND)
    return found[0]


def find_task_id(client: Client, word: str) -> str:
    """The whole id of the task whose id is or begins with this word.

    Raises `Stop` where there is none, or more than one.
    """
    if is_uuid(word) or len(word) < SHORTEST_PREFIX:
        return word
    recent = client.tasks(limit=TASK_LIMIT, days=TASK_DAYS)
    found = by_prefix(recent, word, lambda task: task.task_id)
    if len(found) > 1:
        raise Stop(f"{word!r} is the beginning of {len(found)} ids: give more of it.", EXIT_USAGE)
    return found[0].task_id if found else word


def by_prefix(things: Sequence[T], word: str, identifier: Callable[[T], str]) -> list[T]:
    if len(word) < SHORTEST_PREFIX:
        return []
    return [thing for thing in things if identifier(thing).startswith(word.lower())]


def unknown(word: str, names: Sequence[str]) -> str:
    """That nothing is called this, and what the user may have meant."""
    lower = {name.lower(): name for name in names}
    near = [lower[name] for name in difflib.get_close_matches(word.lower(), lower, n=SUGGESTIONS)]
    if near:
        return f"There is no instance {word!r}. Did you mean {' or '.join(near)}?"
    if not names:
        return f"There is no instance {word!r}: you have none."
    return f"There is no instance {word!r}. `{program()} list` shows yours."


def is_uuid(word: str) -> bool:
    try:
        return str(UUID(word)) == word.lower()
    except ValueError:
        return False


def label(instance: Instance) -> str:
    """The instance's name and short id."""
    return f"{instance.name} ({short(instance.uuid)})"
