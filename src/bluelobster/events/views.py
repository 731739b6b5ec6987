"""Events as the API shows them."""

from typing import Any

from pydantic import BaseModel, Field

from bluelobster.clock import rfc3339
from bluelobster.events.history import Event


class EventView(BaseModel):
    """Something that happened to an instance, a task or the account."""

    id: int = Field(description="Its place in the order; give the last one you have seen as `after` or `Last-Event-ID`")
    kind: str
    instance_id: str | None
    task_id: str | None = Field(description="The task that was under way, or that this is about")
    team_id: str | None
    actor: str = Field(description="Prefix of the API key that asked for it, or `system`")
    created_at: str
    data: dict[str, Any] = Field(description="What the instance or the task became")


class EventPage(BaseModel):
    """Some events in order. Ask again with `after` set to `next`."""

    events: list[EventView]
    next: int


def event_view(event: Event) -> dict[str, Any]:
    return {
        "id": event.number,
        "kind": event.kind,
        "instance_id": None if event.instance_id is None else str(event.instance_id),
        "task_id": None if event.task_id is None else str(event.task_id),
        "team_id": None if event.team_id is None else str(event.team_id),
        "actor": event.actor,
        "created_at": rfc3339(event.created_at),
        "data": dict(event.data),
    }
