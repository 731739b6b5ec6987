"""Maintenance of a host: nothing new, its customers told, machines stopped and started again."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from bluelobster.clock import rfc3339
from bluelobster.enforcement.enforce import enforce
from bluelobster.instances.maintenance import carry_out
from cloud import LAUNCH, TestCloud, eventually
from flow.test_hosts_by_api import done, refused

PATH = "/hosts/px1/maintenance"


def plan(cloud: TestCloud, stop: str = "none", hours: int = 2) -> dict[str, Any]:
    until = rfc3339(cloud.parts.clock.now() + timedelta(hours=hours))
    return {"reason": "new firmware", "expected_end_at": until, "stop": stop}


async def power(cloud: TestCloud, instance_id: str) -> str:
    return str((await cloud.customer.get(f"/instances/{instance_id}")).json()["power_status"])


async def has_power(cloud: TestCloud, instance_id: str, wanted: str) -> None:
    async def look() -> bool:
        return await power(cloud, instance_id) == wanted

    await eventually(look)


async def told(cloud: TestCloud, instance_id: str) -> list[dict[str, Any]]:
    page: dict[str, Any] = {"params": {"instance_id": instance_id}, "headers": {"Accept": "application/json"}}
    events = (await cloud.customer.get("/events", **page)).json()["events"]
    return [each["data"] for each in events if each["kind"] == "instance.maintenance"]


async def test_machines_are_stopped_and_started_again(cloud: TestCloud) -> None:
    running, stopped = await cloud.launched(name="running"), await cloud.launched(name="stopped")
    task = (await cloud.customer.post(f"/instances/{stopped}/force-shutdown")).json()["task_id"]
    await cloud.completed(task)
    before = (await cloud.customer.get(f"/instances/{running}")).json()
    begun = await done(cloud, "PUT", PATH, plan(cloud, "shutdown"))
    assert {each["name"] for each in begun["machines"]} == {"running", "stopped"}
    await has_power(cloud, running, "stopped")
    machines = (await done(cloud, "GET", PATH))["machines"]
    assert {each["name"]: each["stopped_by"] for each in machines} == {"running": "shutdown", "stopped": None}
    assert (await done(cloud, "GET", PATH))["machines"][0].keys() >= {"instance_id", "power_status"}
    assert (await done(cloud, "GET", "/hosts/px1"))["status"] == "maintenance"
    assert (await cloud.customer.get(f"/instances/{running}")).json().keys() == before.keys()
    answer = await cloud.customer.post("/instances/launch-instance", json=LAUNCH)
    assert (answer.status_code, answer.json()["error"]) == (409, "resource_conflict")
    for path in ("power-on", "power-cycle"):
        answer = await cloud.customer.post(f"/instances/{running}/{path}")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_state"), answer.text
        assert begun["expected_end_at"] in answer.json()["message"]
    assert (await refused(cloud, "PATCH", "/hosts/px1", {"status": "active"}))[:2] == (409, "host_in_maintenance")
    await done(cloud, "DELETE", PATH, status=204)
    await has_power(cloud, running, "running")
    assert await power(cloud, stopped) == "stopped"
    assert (await done(cloud, "GET", "/hosts/px1"))["status"] == "active"
    assert await cloud.one("select count(*) from maintenance_stops") == 0
    assert [(each["phase"], each["reason"], each["stops"]) for each in await told(cloud, running)] == [
        ("begun", "new firmware", True),
        ("ended", "new firmware", True),
    ]
    assert len(await told(cloud, stopped)) == 2
    assert (await refused(cloud, "DELETE", PATH))[:2] == (404, "maintenance_not_found")


async def test_who_owes_waits_for_both_the_maintenance_and_the_payment(cloud: TestCloud) -> None:
    first, second = await cloud.launched(name="first"), await cloud.launched(name="second")
    stand = "update accounts set standing = %s, next_step_at = %s, credit_limit_cents = 100 where name = 'customer'"
    owe = """insert into ledger (account_id, kind, amount_cents, reason, created_at)
             select id, 'adjustment', -200, 'test', now() from accounts where name = 'customer'"""
    later = cloud.parts.clock.now() + timedelta(days=1)
    async with cloud.parts.pool.connection() as connection:
        await connection.execute(owe)
        await connection.execute(stand, ("suspended", later))
    await enforce(cloud.parts.pool, cloud.parts.clock)
    for each in (first, second):
        await has_power(cloud, each, "stopped")
    await done(cloud, "PUT", PATH, plan(cloud, "shutdown"))
    await done(cloud, "DELETE", PATH, status=204)
    await settled(cloud)
    assert [await power(cloud, each) for each in (first, second)] == ["stopped", "stopped"]

    await done(cloud, "PUT", PATH, plan(cloud, "shutdown"))
    account_id = await cloud.account_id()
    paid = {"amount_cents": 200, "reason": "paid"}
    assert (await cloud.staff.post(f"/admin/accounts/{account_id}/credit", json=paid)).status_code == 200
    await enforce(cloud.parts.pool, cloud.parts.clock)
    await settled(cloud)
    assert [await power(cloud, each) for each in (first, second)] == ["stopped", "stopped"]
    await done(cloud, "DELETE", PATH, status=204)
    await enforce(cloud.parts.pool, cloud.parts.clock)
    for each in (first, second):
        await has_power(cloud, each, "running")


async def settled(cloud: TestCloud) -> None:
    async def look() -> bool:
        return not await cloud.one("select count(*) from tasks where ended_at is null")

    await eventually(look)


async def test_what_is_busy_is_stopped_and_started_later(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch()
    begun = await done(idle_cloud, "PUT", PATH, plan(idle_cloud, "force"))
    assert [(each["status"], each["stopped_by"]) for each in begun["machines"]] == [("creating", None)]
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
        await has_power(idle_cloud, accepted["vm_uuid"], "stopped")
    (machine,) = (await done(idle_cloud, "GET", PATH))["machines"]
    assert (machine["stopped_by"], machine["power_status"]) == ("force", "stopped")
    await done(idle_cloud, "DELETE", PATH, status=204)
    await carry_out(idle_cloud.parts.pool, idle_cloud.parts.clock)
    async with idle_cloud.worker():
        await has_power(idle_cloud, accepted["vm_uuid"], "running")


async def test_an_end_before_machines_have_stopped(idle_cloud: TestCloud) -> None:
    async with idle_cloud.worker():
        instance_id = await idle_cloud.launched()
    await done(idle_cloud, "PUT", PATH, plan(idle_cloud, "shutdown"))
    await done(idle_cloud, "DELETE", PATH, status=204)
    assert await idle_cloud.one("select count(*) from maintenance_stops") == 1
    async with idle_cloud.worker():

        async def started_again() -> bool:
            left = await idle_cloud.one("select count(*) from maintenance_stops")
            return left == 0 and await power(idle_cloud, instance_id) == "running"

        await eventually(started_again)
        tasks = (await idle_cloud.customer.get("/tasks", params={"limit": 2})).json()
        assert "power_on_instance" in str(tasks)


async def test_another_plan(idle_cloud: TestCloud) -> None:
    await done(idle_cloud, "PATCH", "/hosts/px1", {"status": "draining"})
    await done(idle_cloud, "PUT", PATH, plan(idle_cloud))
    changed = await done(idle_cloud, "PUT", PATH, {**plan(idle_cloud, hours=9), "reason": "it takes longer"})
    assert (changed["reason"], changed["stop"], changed["machines"]) == ("it takes longer", "none", [])
    assert await idle_cloud.one("select count(*) from maintenances") == 1
    await done(idle_cloud, "DELETE", PATH, status=204)
    assert (await done(idle_cloud, "GET", "/hosts/px1"))["status"] == "draining"
    past = plan(idle_cloud, hours=-1)
    assert (await refused(idle_cloud, "PUT", PATH, past))[:2] == (400, "invalid_request")
    assert (await refused(idle_cloud, "PUT", "/hosts/px9/maintenance", plan(idle_cloud)))[1] == "host_not_found"
    assert (await refused(idle_cloud, "DELETE", "/hosts/px9/maintenance"))[1] == "host_not_found"
    log = (await idle_cloud.staff.get("/audit-log")).json()["entries"]
    assert log[-2]["details"]["reason"] == "new firmware"


async def test_a_host_that_is_off_for_maintenance_is_not_broken(
    cloud: TestCloud, caplog: pytest.LogCaptureFixture
) -> None:
    async def health() -> str:
        return str((await cloud.customer.get("/health")).json()["components"]["proxmox"])

    async def seen() -> bool:
        return await health() == "operational"

    await eventually(seen)
    await done(cloud, "PUT", PATH, plan(cloud))
    with caplog.at_level(logging.DEBUG, "bluelobster.reconcile"):
        await cloud.one("update hosts set api_url = 'https://127.0.0.1:1' where id = 'px1' returning id")

        async def asked_in_vain() -> bool:
            return any("host px1: Unreachable" in each.message for each in caplog.records)

        await eventually(asked_in_vain)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING and "px1" in each.message] == []
    await cloud.one("update hosts set seen_at = null where id = 'px1' returning id")
    assert await health() == "disabled"
