"""The routes of events: a stream, or a page for those who cannot stream."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request

from bluelobster.access.credentials import credentials_of
from bluelobster.access.permissions import OPERATIONS
from bluelobster.access.principal import Principal
from bluelobster.access.route import Caller, Database, IdentifiedRoute, acting, admission_of
from bluelobster.db.pool import transaction
from bluelobster.events.feed import Feed
from bluelobster.events.history import Wanted, events_after, latest_events
from bluelobster.events.numbers import number_events
from bluelobster.events.record import Kind
from bluelobster.events.stream import EventStream, Reader
from bluelobster.events.views import EventPage, event_view
from bluelobster.http.paging import unfit

router = APIRouter(prefix="/api/v1/events", tags=["EVENTS"], route_class=IdentifiedRoute)

HIGHEST = 2**63 - 1
Position = Annotated[int | None, Query(ge=0, le=HIGHEST, description="Begin behind this event")]
LastSeen = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=HIGHEST, description="The same as `after`")]
STREAMED = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}


async def wanted_of(
    instance_id: Annotated[UUID | None, Query(description="Only of this instance")] = None,
    kind: Annotated[list[Kind] | None, Query(description="Only of this kind; may be repeated")] = None,
) -> Wanted:
    return Wanted(instance_id, kind)


async def feed_of(request: Request) -> Feed:
    feed: Feed = request.app.state.feed
    return feed


@router.get("", summary="What happens, as it happens", response_model=EventPage, responses={200: STREAMED})
async def list_events(
    request: Request,
    caller: Caller,
    pool: Database,
    feed: Annotated[Feed, Depends(feed_of)],
    wanted: Annotated[Wanted, Depends(wanted_of)],
    after: Position = None,
    last_seen: LastSeen = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most events of a page as JSON")] = 100,
) -> Any:
    """Changes of the caller's instances and tasks, each with an `id` that only ever grows, as server-sent events: from
    now on, or from where `Last-Event-ID` (or `after`) says. Nothing is left out and nothing comes twice, however often
    the connection breaks; events are kept for 30 days.

    With `Accept: application/json`, one page: the events behind `after`, or the latest; go on with `after` set to
    `next`.
    """
    stream = not wants_page(request.headers.get("Accept", ""))
    number = last_seen if last_seen is not None else after
    async with transaction(pool) as tx:
        highest = await number_events(tx)
        must_exist(number, highest)
        if not stream and number is not None:
            found = await events_after(tx, caller.sight, wanted, number, limit)
        elif not stream:
            found = await latest_events(tx, caller.sight, wanted, highest, limit)
    if stream:
        reader = Reader(pool, caller, wanted, lambda: check(request), request.app.state.settings.event_check_seconds)
        return EventStream(feed, reader, highest if number is None else number)
    full = number is not None and len(found) == limit
    return {"events": [event_view(each) for each in found], "next": found[-1].number if full else highest}


def wants_page(accept: str) -> bool:
    """Whether a client says that it takes JSON, and does not say that it takes a stream."""
    return "application/json" in accept and EventStream.media_type not in accept


async def check(request: Request) -> Principal:
    """The caller as the key or the session says now. Raises Unauthorized and Forbidden."""
    state = request.app.state
    found = await admission_of(request).find(credentials_of(request), state.pool, state.clock.now())
    caller = acting(found, request)
    caller.require(OPERATIONS[list_events.__name__])
    return caller


def must_exist(number: int | None, highest: int) -> None:
    """A position of another database, or one that was made up, would wait for ever."""
    if number is not None and number > highest:
        raise unfit("after", f"There is no such event yet: the latest is {highest}")
