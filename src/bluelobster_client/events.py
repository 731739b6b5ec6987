"""What happens, as it happens: server-sent events, picked up again wherever the connection broke."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bluelobster_client.clock import Clock
from bluelobster_client.errors import CannotConnect, ServerFault, TooManyRequests, UnexpectedAnswer
from bluelobster_client.fields import Fields
from bluelobster_client.models import Raw
from bluelobster_client.waiting import GRACE_SECONDS, asked_pause

PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Event:
    """Something that happened to an instance or a task; `id` only ever grows."""

    id: int
    kind: str
    instance_id: str | None
    task_id: str | None
    actor: str
    created_at: datetime | None
    raw: Raw = field(repr=False, compare=False)

    @property
    def data(self) -> Fields:
        """What the instance or the task became."""
        return Fields(self.raw.get("data"), "event")

    @classmethod
    def parse(cls, data: object) -> "Event":
        fields = Fields(data, "event")
        return cls(
            id=fields.whole("id"),
            kind=fields.text("kind"),
            instance_id=fields.text_or_none("instance_id"),
            task_id=fields.text_or_none("task_id"),
            actor=fields.text_or_none("actor") or "",
            created_at=fields.time_or_none("created_at"),
            raw=fields.raw,
        )


@dataclass(frozen=True)
class EventPage:
    """Events in order; ask for what is behind `next` to go on."""

    events: list[Event]
    next: int

    @classmethod
    def parse(cls, data: object) -> "EventPage":
        fields = Fields(data, "page of events")
        return cls([Event.parse(each) for each in fields.items("events")], fields.whole("next"))


def event_query(
    after: int | None, instance_id: str | None, kinds: Sequence[str], limit: int | None = None
) -> dict[str, str | int | Sequence[str]]:
    """The query of events: only what is given."""
    given = {"after": after, "instance_id": instance_id, "kind": list(kinds) or None, "limit": limit}
    return {name: value for name, value in given.items() if value is not None}


def follow_events(connect: Callable[[str | None], Iterator[str]], clock: Clock) -> Iterator[Event]:
    """Events without end. `connect` gives the lines of a stream that goes on behind an id; a connection that breaks is
    made again, for a minute without an answer.

    Raises what `connect` raises, and `UnexpectedAnswer`.
    """
    last: str | None = None
    answered = clock.now()
    while True:
        pause = PAUSE_SECONDS
        try:
            for name, value in _fields(connect(last)):
                answered = clock.now()
                if name == "id":
                    last = value
                elif name == "data":
                    yield Event.parse(_json(value))
        except (CannotConnect, ServerFault, TooManyRequests) as error:
            if clock.now() - answered > GRACE_SECONDS:
                raise
            pause = max(pause, asked_pause(error))
        clock.sleep(pause)


def _fields(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Names and values; comments have no name."""
    for line in lines:
        name, _, value = line.partition(":")
        yield name, value.removeprefix(" ")


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise UnexpectedAnswer("the API sent an event that is not JSON") from None
