"""Events as they are read: in order, by number, within the caller's sight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.access.principal import Sight
from bluelobster.db.pool import Tx
from bluelobster.events.record import Kind


@dataclass(frozen=True)
class Event:
    """Something that happened; `number` is its place in the order."""

    number: int
    kind: str
    instance_id: UUID | None
    task_id: UUID | None
    team_id: UUID | None
    data: Mapping[str, Any]
    actor: str
    created_at: datetime


@dataclass(frozen=True)
class Wanted:
    """Which events: one instance's, and some kinds; all where nothing is said."""

    instance_id: UUID | None = None
    kinds: Sequence[Kind] | None = None


SELECT = """
    select number, kind, instance_id, task_id, team_id, data, actor, created_at from events
    where account_id = %(account_id)s and (%(team_id)s::uuid is null or team_id = %(team_id)s)
      and (%(instance_id)s::uuid is null or instance_id = %(instance_id)s)
      and (%(kinds)s::text[] is null or kind = any(%(kinds)s))"""


async def events_after(tx: Tx, sight: Sight, wanted: Wanted, number: int, most: int) -> list[Event]:
    """The next events behind a number, at most so many."""
    return await _read(
        tx, f"{SELECT} and number > %(number)s order by number limit %(most)s", sight, wanted, number, most
    )


async def latest_events(tx: Tx, sight: Sight, wanted: Wanted, number: int, most: int) -> list[Event]:
    """The last events up to a number, at most so many, in order."""
    newest = f"{SELECT} and number <= %(number)s order by number desc limit %(most)s"
    return (await _read(tx, newest, sight, wanted, number, most))[::-1]


async def _read(tx: Tx, query: str, sight: Sight, wanted: Wanted, number: int, most: int) -> list[Event]:
    kinds = None if wanted.kinds is None else list(wanted.kinds)
    values = {**vars(sight), "instance_id": wanted.instance_id, "kinds": kinds, "number": number, "most": most}
    async with tx.cursor(row_factory=class_row(Event)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()
