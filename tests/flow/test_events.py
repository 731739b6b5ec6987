"""Events: what happens to instances and tasks, as a stream and as pages."""

import asyncio
import itertools
from typing import Any

import pytest

from bluelobster.access.keys import create_key, revoke_key
from bluelobster.db.pool import transaction
from bluelobster.events import stream
from bluelobster.events.housekeeping import forget_old_events
from cloud import LAUNCH, TestCloud, api_client, eventually
from event_streams import JSON, listening, page
from served import served

LAUNCH_STORY = ["task.created", "instance.created", "task.processing", "instance.ready", "task.completed"]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Without repetitions: how many steps are seen apart is a launch's own business."""
    names = [each["kind"] for each in events]
    return [name for number, name in enumerate(names) if names[:number][-1:] != [name]]


async def test_a_life_is_told_as_it_happens(cloud: TestCloud) -> None:
    async with served(cloud.app) as api, listening(api.url, cloud.key) as events:
        accepted = await cloud.launch(name="web")
        told = await events.until("task.completed")
        assert kinds(told) == LAUNCH_STORY
        instance_id, prefix = accepted["vm_uuid"], cloud.key.split("_")[1]
        assert {each["instance_id"] for each in told} == {instance_id}
        assert {each["task_id"] for each in told} == {accepted["task_id"]}
        assert {each["actor"] for each in told} == {prefix}
        assert [each["id"] for each in told] == sorted({each["id"] for each in told})
        ready = next(each for each in told if each["kind"] == "instance.ready")
        assert ready["data"] == {"name": "web", "status": "rented", "power_status": "running"}
        assert told[-1]["data"]["message"] == "VM created successfully"
        steps = [each["data"] for each in told if each["kind"] == "task.processing"]
        assert all(one != other for one, other in itertools.pairwise(steps))

        await cloud.customer.put(f"/instances/{instance_id}/rename", json={"name": "shop"})
        renamed = (await events.until("instance.renamed"))[-1]
        assert renamed["data"]["name"] == "shop"
        assert renamed["data"]["old_name"] == "web"
        assert (renamed["actor"], renamed["task_id"]) == (prefix, None)

        await cloud.hypervisor.stop(await cloud.one("select vmid from instances"))
        stopped = (await events.until("instance.power"))[-1]
        assert (stopped["actor"], stopped["data"]["power_status"]) == ("system", "stopped")

        await cloud.customer.delete(f"/instances/{instance_id}")
        gone = await events.until("task.completed")
        assert {"instance.terminating", "instance.deleted"} <= set(kinds(gone))


async def test_a_failed_launch_is_told(idle_cloud: TestCloud) -> None:
    idle_cloud.hypervisor.behaviour.agent_answers = False
    accepted = await idle_cloud.launch()
    await idle_cloud.one("update tasks set status = 'PROCESSING', deadline_at = now() returning 1")
    async with idle_cloud.worker():
        await idle_cloud.ended(accepted["task_id"])
    told = (await page(idle_cloud.customer))["events"]
    assert kinds(told)[-2:] == ["instance.failed", "task.failed"]


async def test_a_stream_goes_on_where_it_stopped(cloud: TestCloud) -> None:
    async with served(cloud.app) as api:
        async with listening(api.url, cloud.key) as events:
            first = await cloud.launched()
            seen = [await events.next(), await events.next()]
            last_id = events.last_id
        await cloud.customer.post(f"/instances/{first}/force-shutdown")
        async with listening(api.url, cloud.key, last_id=last_id) as events:
            seen += await events.until("instance.power")
    assert seen == (await page(cloud.customer, after=0, limit=1000))["events"][: len(seen)]


async def test_a_stream_can_ask_for_less(cloud: TestCloud) -> None:
    one = await cloud.launched()
    other = await cloud.launched()
    async with served(cloud.app) as api:
        wanted = ["instance.created", "instance.ready"]
        async with listening(api.url, cloud.key, kind=wanted, after="0") as events:
            told = [await events.next() for _ in range(4)]
            assert {each["kind"] for each in told if each} == {"instance.created", "instance.ready"}
        async with listening(api.url, cloud.key, instance_id=other, after="0") as events:
            assert {each["instance_id"] for each in await events.until("task.completed")} == {other}
    of_one = await page(cloud.customer, instance_id=one)
    assert {each["instance_id"] for each in of_one["events"]} == {one}


async def test_pages_follow_each_other(cloud: TestCloud) -> None:
    await cloud.launched()
    whole = await page(cloud.customer, after=0, limit=1000)
    paged: list[Any] = []
    after = 0
    while True:
        found = await page(cloud.customer, after=after, limit=3)
        paged += found["events"]
        after = found["next"]
        if not found["events"]:
            break
    assert paged == whole["events"]
    latest = await page(cloud.customer, limit=2)
    assert latest == {"events": paged[-2:], "next": after}


async def test_nobody_is_told_of_another_account(cloud: TestCloud) -> None:
    async with served(cloud.app) as api:
        stranger = cloud.stranger.headers["X-API-Key"]
        async with listening(api.url, stranger) as theirs, listening(api.url, cloud.key) as ours:
            await cloud.launched()
            await ours.until("task.completed")
            own = (await cloud.stranger.post("/instances/launch-instance", json=LAUNCH)).json()["vm_uuid"]
            assert {each["instance_id"] for each in await theirs.until("instance.created")} == {own}
    told = (await page(cloud.stranger, after=0))["events"]
    assert {each["instance_id"] for each in told} == {own}


async def test_a_team_s_key_is_told_of_the_team_s_instances(cloud: TestCloud) -> None:
    team = (await cloud.customer.post("/teams", json={"name": "ml"})).json()
    account_id = await cloud.account_id()
    async with transaction(cloud.parts.pool) as tx:
        key = await create_key(tx, account_id, "ml", "admin", cloud.parts.clock.now(), team_id=team["id"])
    await cloud.launched(name="ours")
    team_client = api_client(cloud.app, key)
    async with served(cloud.app) as api, listening(api.url, key) as events:
        other = await cloud.launched(name="moved")
        await cloud.customer.put(f"/instances/{other}/team", json={"team_id": team["id"]})
        await cloud.customer.put(f"/instances/{other}/rename", json={"name": "moved-2"})
        told = await events.until("instance.renamed")
        assert {each["instance_id"] for each in told} == {other}
        assert {each["team_id"] for each in told} == {team["id"]}
    found = await page(team_client, after=0)
    assert {each["instance_id"] for each in found["events"]} == {other}


async def test_a_quiet_stream_says_that_it_lives(idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)
    async with served(idle_cloud.app) as api, listening(api.url, idle_cloud.key) as events:
        reading = asyncio.create_task(events.next())

        async def twice() -> bool:
            return len(events.comments) >= 2

        await eventually(twice)
        await idle_cloud.launch()
        told = await reading
        assert told is not None
        assert told["kind"] == "task.created"


async def test_a_key_has_so_many_streams_and_no_more(idle_cloud: TestCloud) -> None:
    idle_cloud.app.state.feed = type(idle_cloud.app.state.feed)(idle_cloud.settings.database_url, 2)
    async with served(idle_cloud.app) as api:
        async with listening(api.url, idle_cloud.key), listening(api.url, idle_cloud.key):
            refused = await idle_cloud.customer.get("/events")
            assert (refused.status_code, refused.json()["error"]) == (429, "too_many_streams")
            async with listening(api.url, idle_cloud.stranger.headers["X-API-Key"]):
                pass

        async def closed() -> bool:
            return bool(idle_cloud.app.state.feed.watches == 0)

        await eventually(closed)
        async with listening(api.url, idle_cloud.key):
            pass


async def test_a_revoked_key_is_told_no_more(idle_cloud: TestCloud) -> None:
    idle_cloud.app.state.settings = idle_cloud.settings.model_copy(update={"event_check_seconds": 0.05})
    async with served(idle_cloud.app) as api, listening(api.url, idle_cloud.key) as events:
        await idle_cloud.launch()
        assert await events.next() is not None
        async with transaction(idle_cloud.parts.pool) as tx:
            assert await revoke_key(tx, idle_cloud.key.split("_")[1], idle_cloud.parts.clock.now())
        while await events.next() is not None:
            pass


async def test_streams_do_not_keep_a_server_from_stopping(idle_cloud: TestCloud) -> None:
    async with served(idle_cloud.app) as api, listening(api.url, idle_cloud.key) as events:
        reading = asyncio.create_task(events.next())
        await api.stop(seconds=3)
        assert await reading is None


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1", "kind=task.exploded", "instance_id=x", "limit=0", "limit=1001"]
)
async def test_what_cannot_be_asked(idle_cloud: TestCloud, query: str) -> None:
    answer = await idle_cloud.customer.get(f"/events?{query}", headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")


async def test_a_position_that_makes_no_sense_is_refused(idle_cloud: TestCloud) -> None:
    for position in ("x", "99", "-1", str(2**63)):
        answer = await idle_cloud.customer.get("/events", headers={"Last-Event-ID": position})
        assert answer.status_code == 422, position


async def test_events_are_kept_for_so_many_days(idle_cloud: TestCloud) -> None:
    await idle_cloud.launch()
    kept = await page(idle_cloud.customer)
    pool, clock = idle_cloud.parts.pool, idle_cloud.parts.clock
    async with transaction(pool) as tx:
        await tx.execute("update events set created_at = created_at - interval '31 days' where kind = 'task.created'")
    await forget_old_events(pool, clock, 31)
    assert kinds((await page(idle_cloud.customer))["events"]) == ["instance.created"]
    async with transaction(pool) as tx:
        await tx.execute("update events set created_at = created_at - interval '31 days'")
    await forget_old_events(pool, clock, 31)
    assert await page(idle_cloud.customer, after=0) == {"events": [], "next": kept["next"]}
