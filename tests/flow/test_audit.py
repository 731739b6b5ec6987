"""The audit log: every request that would change something, whoever asked and whatever came of it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from bluelobster.access.audit_log import forget_old_entries
from bluelobster.access.keys import create_key
from bluelobster.clock import rfc3339
from bluelobster.db.pool import transaction
from cloud import LAUNCH, TestCloud, api_client
from flow.traces import traces

SECONDS = timedelta(seconds=1)


async def entries(cloud: TestCloud, **query: Any) -> list[dict[str, Any]]:
    answer = await cloud.customer.get("/audit-log", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["entries"]
    return found


async def test_what_was_done_is_written_with_it(cloud: TestCloud) -> None:
    answer = await cloud.customer.post("/instances/launch-instance", json=LAUNCH)
    instance_id = answer.json()["vm_uuid"]
    await cloud.completed(answer.json()["task_id"])
    deleted = await cloud.customer.delete(f"/instances/{instance_id}")
    assert deleted.status_code == 200
    deletion, launch = await entries(cloud)
    assert launch == {
        "at": launch["at"],
        "key_prefix": cloud.key.split("_")[1],
        "key_name": "test",
        "client_ip": "198.51.100.7",
        "request_id": answer.headers["X-Request-Id"],
        "operation": "launch_standard_instance",
        "target": "/instances/launch-instance",
        "instance_id": instance_id,
        "outcome": "accepted",
        "status": 200,
        "error": None,
        "details": None,
    }
    assert (deletion["operation"], deletion["target"]) == ("delete_instance", f"/instances/{instance_id}")
    assert deletion["request_id"] == deleted.headers["X-Request-Id"]


async def test_what_was_refused_is_written_as_well(idle_cloud: TestCloud) -> None:
    missing = str(uuid4())
    account_id = await idle_cloud.account_id()
    async with transaction(idle_cloud.parts.pool) as tx:
        viewer = await create_key(tx, account_id, "viewer", "viewer", idle_cloud.parts.clock.now())
    requests: tuple[tuple[Any, str, str, Any, int], ...] = (
        (idle_cloud.customer, "POST", f"/instances/{missing}/reboot", None, 404),
        (idle_cloud.customer, "POST", "/instances/launch-instance", {"region": 5}, 422),
        (idle_cloud.customer, "POST", "/instances/launch-instance", {**LAUNCH, "region": "nowhere"}, 400),
        (api_client(idle_cloud.app, viewer), "DELETE", f"/instances/{missing}", None, 403),
    )
    expected = []
    for client, method, path, body, status in requests:
        answer = await client.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        expected.append((path, status, answer.json()["error"], answer.headers["X-Request-Id"]))
    log = await entries(idle_cloud)
    assert [(e["target"], e["status"], e["error"], e["request_id"]) for e in log] == expected[::-1]
    assert {each["outcome"] for each in log} == {"refused"}
    assert log[0]["key_name"] == "viewer"


async def test_reading_leaves_no_line_and_neither_does_a_stranger(idle_cloud: TestCloud) -> None:
    span = {"start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-02T00:00:00Z"}
    assert (await idle_cloud.customer.post("/instances/log", json=span)).status_code == 200
    await idle_cloud.customer.get("/instances")
    await api_client(idle_cloud.app, "bl_aaaaaaaa_bbbb").post("/instances/launch-instance", json=LAUNCH)
    assert await idle_cloud.one("select count(*) from audit_log") == 0


async def test_a_repeated_request_is_one_line(idle_cloud: TestCloud) -> None:
    for _ in range(2):
        answer = await idle_cloud.customer.post(
            "/instances/launch-instance", json=LAUNCH, headers={"Idempotency-Key": "one"}
        )
        assert answer.status_code == 200
    (launch,) = await entries(idle_cloud)
    assert launch["instance_id"] == answer.json()["vm_uuid"]


async def test_an_account_reads_its_own(idle_cloud: TestCloud) -> None:
    await idle_cloud.launch()
    assert (await idle_cloud.stranger.get("/audit-log")).json() == {"entries": [], "next": None}
    assert len(await entries(idle_cloud)) == 1


@pytest.mark.parametrize(
    ("role", "in_team", "status"), [("member", False, 403), ("admin", False, 200), ("owner", True, 403)]
)
async def test_it_is_for_admins_of_the_account(idle_cloud: TestCloud, role: Any, in_team: bool, status: int) -> None:
    team = (await idle_cloud.customer.post("/teams", json={"name": "ml"})).json()["id"]
    account_id = await idle_cloud.account_id()
    async with transaction(idle_cloud.parts.pool) as tx:
        now = idle_cloud.parts.clock.now()
        key = await create_key(tx, account_id, "k", role, now, team_id=team if in_team else None)
    assert (await api_client(idle_cloud.app, key).get("/audit-log")).status_code == status


async def test_pages_and_filters(idle_cloud: TestCloud) -> None:
    ids = [str(uuid4()) for _ in range(5)]
    for each in ids:
        await idle_cloud.customer.post(f"/instances/{each}/reboot")
        await idle_cloud.customer.delete(f"/instances/{each}")
    whole = await entries(idle_cloud)
    assert [each["instance_id"] for each in whole] == [each for each in ids[::-1] for _ in range(2)]
    paged: list[Any] = []
    query: dict[str, Any] = {"limit": 3}
    while query.get("cursor", "begin"):
        page = (await idle_cloud.customer.get("/audit-log", params=query)).json()
        paged += page["entries"]
        query["cursor"] = page["next"]
    assert paged == whole
    assert {each["operation"] for each in await entries(idle_cloud, operation="delete_instance")} == {"delete_instance"}
    assert len(await entries(idle_cloud, instance_id=ids[0])) == 2
    now = idle_cloud.parts.clock.now()
    assert await entries(idle_cloud, since=rfc3339(now + 2 * SECONDS)) == []
    assert await entries(idle_cloud, until=rfc3339(now + 2 * SECONDS)) == whole
    for bad in ({"cursor": "x"}, {"limit": 0}, {"limit": 201}, {"since": "2026-01-01T00:00:00"}, {"instance_id": "x"}):
        answer = await idle_cloud.customer.get("/audit-log", params=bad)
        assert (answer.status_code, answer.json()["error"]) == (422, "validation_error"), bad


async def test_no_secret_is_in_it_wherever_it_was_put(idle_cloud: TestCloud, caplog: pytest.LogCaptureFixture) -> None:
    await idle_cloud.launch(password="correct-horse-battery")
    await idle_cloud.customer.delete(f"/instances/{idle_cloud.key}")
    await idle_cloud.customer.put("/instances/a%F0%9F%98%80b/rename", json={"name": "x" * 70})
    await idle_cloud.customer.post(f"/instances/{'x' * 5000}/reboot")
    assert [each["target"] for each in await entries(idle_cloud)] == [
        f"/instances/{'x' * 189}",
        "/instances/a?b/rename",
        "/instances/?",
        "/instances/launch-instance",
    ]
    secrets = ["correct-horse-battery", idle_cloud.key, idle_cloud.key.split("_")[2]]
    assert await traces(idle_cloud, caplog.text, secrets) == []


async def test_entries_are_kept_for_so_many_days(idle_cloud: TestCloud) -> None:
    await idle_cloud.launch()
    pool, clock = idle_cloud.parts.pool, idle_cloud.parts.clock
    await forget_old_entries(pool, clock, 400)
    assert len(await entries(idle_cloud)) == 1
    async with transaction(pool) as tx:
        await tx.execute("update audit_log set at = at - interval '400 days 1 second'")
    await forget_old_entries(pool, clock, 400)
    assert await entries(idle_cloud) == []
