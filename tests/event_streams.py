"""Server-sent events as a client reads them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

JSON = {"Accept": "application/json"}


@dataclass
class EventReader:
    """One open stream; `last_id` is what a browser would send to go on. Comments are kept as they come."""

    lines: AsyncIterator[str]
    last_id: str = ""
    comments: list[str] = field(default_factory=list)

    async def next(self) -> dict[str, Any] | None:
        """The next event, or None at the end of the stream."""
        data: list[str] = []
        kind = ""
        async for line in self.lines:
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(line)
            elif name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif not line and data:
                event: dict[str, Any] = json.loads("\n".join(data))
                assert (event["kind"], str(event["id"])) == (kind, self.last_id)
                return event
        return None

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """Events up to the first of a kind."""
        found: list[dict[str, Any]] = []
        while not found or found[-1]["kind"] != kind:
            event = await self.next()
            assert event is not None, f"the stream ended before {kind}, after {[each['kind'] for each in found]}"
            found.append(event)
        return found


async def page(client: httpx.AsyncClient, **query: str | int) -> dict[str, Any]:
    """One page of events."""
    answer = await client.get("/events", params=query, headers=JSON)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@asynccontextmanager
async def listening(
    url: str, key: str, *, last_id: str | None = None, **query: str | list[str]
) -> AsyncIterator[EventReader]:
    """A stream with a connection of its own, ready to bring what happens from now on."""
    headers = {"X-API-Key": key, **({} if last_id is None else {"Last-Event-ID": last_id})}
    async with (
        httpx.AsyncClient(timeout=20, headers=headers) as http,
        http.stream("GET", f"{url}/events", params=query) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        reader = EventReader(answer.aiter_lines())
        # The stream begins with its position.
        while not reader.last_id:
            line = await anext(reader.lines)
            reader.last_id = line.removeprefix("id: ") if line.startswith("id: ") else ""
        yield reader
