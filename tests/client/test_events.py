"""Events: a page, and a stream that is picked up where it broke."""

from itertools import islice

import pytest

from bluelobster_client import Client, Clock, Unauthorized
from bluelobster_client.errors import AnswerLost
from client.fake_api import FakeApi, Reply
from client.shell import Shell

STREAM = {"Content-Type": "text/event-stream"}


def event(number: int, **changes: object) -> dict[str, object]:
    return {
        "id": number,
        "kind": "instance.ready",
        "instance_id": "7a2b0c1e-1111-4222-8333-444455556666",
        "task_id": None,
        "team_id": None,
        "actor": "abcdefgh",
        "created_at": "2026-11-23T10:00:00Z",
        "data": {"name": "web", "status": "rented", "power_status": "running"},
        **changes,
    }


def streamed(*parts: str) -> Reply:
    return Reply(body="".join(parts).encode(), headers=STREAM)


def sent(number: int) -> str:
    data = f'{{"id":{number},"kind":"task.failed","data":{{"message":"no"}}}}'
    return f"id: {number}\nevent: task.failed\ndata: {data}\n\n"


def test_a_page(api: FakeApi, client: Client) -> None:
    api.give("/events", {"events": [event(3), event(4)], "next": 9})
    page = client.recent_events(kinds=["instance.ready", "task.failed"], limit=2)
    assert ([each.id for each in page.events], page.next) == ([3, 4], 9)
    assert page.events[0].data.text("name") == "web"
    (seen,) = api.requests("GET", "/events")
    assert (seen.headers["accept"], seen.query["limit"]) == ("application/json", "2")


def test_a_stream_that_broke_goes_on_behind_the_last_event(api: FakeApi) -> None:
    paused: list[float] = []
    api.on(
        "GET",
        "/events",
        streamed("retry: 2000\nid: 5\n\n", ": nothing new\n\n"),
        Reply(drop=True),
        streamed("id: 5\n\n", sent(7), sent(8)),
        streamed("id: 8\n\n", sent(11)),
    )
    with Client(api.url, "bl_key", clock=Clock(sleep=paused.append)) as client:
        told = list(islice(client.events(kinds=["task.failed"]), 3))
    assert [each.id for each in told] == [7, 8, 11]
    seen = api.requests("GET", "/events")
    assert [each.headers.get("last-event-id") for each in seen] == [None, "5", "5", "8"]
    assert {each.headers["accept"] for each in seen} == {"text/event-stream"}
    assert paused == [1.0, 1.0, 1.0]


def test_a_stream_ends_with_its_key(api: FakeApi) -> None:
    refused = Reply(401, {"error": "unauthorized", "message": "Invalid or missing API key"})
    api.on("GET", "/events", streamed("id: 5\n\n"), refused)
    with Client(api.url, "bl_key", clock=Clock(sleep=lambda _: None)) as client, pytest.raises(Unauthorized):
        next(client.events())


def test_an_api_that_stays_away_is_given_up(api: FakeApi) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    api.on("GET", "/events", Reply(drop=True))
    clock = Clock(now=lambda: now, sleep=sleep)
    with Client(api.url, "bl_key", clock=clock) as client, pytest.raises(AnswerLost):
        next(client.events())
    assert now > 60


def test_the_command_shows_what_happened(api: FakeApi, shell: Shell) -> None:
    api.give("/events", {"events": [event(3), event(4, data={"message": "VM created"})], "next": 4})
    shown = shell.run("events").output.splitlines()
    assert [line[19:].split() for line in shown] == [
        ["instance.ready", "7a2b0c1e", "web", "·", "running"],
        ["instance.ready", "7a2b0c1e", "VM", "created"],
    ]
