"""An API that is killed while it accepts a launch or a deletion has accepted all of it, or nothing."""

import signal
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from cloud import CLEAN, LAUNCH, TestCloud
from faults.api_victim import start_api
from faults.victim import end, until_ended

POINTS = ("before commit", "after commit")
ANONYMOUS: Mapping[str, str] = MappingProxyType({})


async def kill_api(
    cloud: TestCloud, point: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] = ANONYMOUS
) -> None:
    api = start_api(cloud.settings, point, {"X-API-Key": cloud.key, **headers}, method, path, body)
    try:
        await until_ended(api, signal.SIGKILL)
    finally:
        end(api)


@pytest.mark.parametrize("point", POINTS)
async def test_killed_while_accepting_a_launch(cloud: TestCloud, point: str) -> None:
    await kill_api(cloud, point, "POST", "/instances/launch-instance", {**LAUNCH, "name": "web"})
    shown = (await cloud.customer.get("/instances")).json()
    if point == "before commit":
        assert shown == []
        assert await cloud.leftovers() == CLEAN
        return
    assert [each["name"] for each in shown] == ["web"]
    await cloud.completed(await cloud.one("select id::text from tasks"))


@pytest.mark.parametrize("point", POINTS)
async def test_killed_while_accepting_a_deletion(cloud: TestCloud, point: str) -> None:
    instance_id = await cloud.launched()
    await kill_api(cloud, point, "DELETE", f"/instances/{instance_id}")
    if point == "before commit":
        assert (await cloud.customer.get(f"/instances/{instance_id}")).json()["status"] == "rented"
        return
    await cloud.completed(await cloud.one("select id::text from tasks where operation = 'delete_instance'"))
    assert await cloud.leftovers() == CLEAN


@pytest.mark.parametrize("point", POINTS)
async def test_a_launch_whose_answer_was_lost_may_be_asked_for_again(cloud: TestCloud, point: str) -> None:
    named = {"Idempotency-Key": "once"}
    await kill_api(cloud, point, "POST", "/instances/launch-instance", LAUNCH, named)
    again = await cloud.customer.post("/instances/launch-instance", json=LAUNCH, headers=named)
    assert again.status_code == 200
    assert ("Idempotency-Replayed" in again.headers) == (point == "after commit")
    await cloud.completed(again.json()["task_id"])
    [instance] = (await cloud.customer.get("/instances")).json()
    assert instance["uuid"] == again.json()["vm_uuid"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_reboot_whose_answer_was_lost_may_be_asked_for_again(cloud: TestCloud, point: str) -> None:
    path = f"/instances/{await cloud.launched()}/reboot"
    named = {"Idempotency-Key": "once"}
    await kill_api(cloud, point, "POST", path, headers=named)
    again = (await cloud.customer.post(path, headers=named)).json()
    assert again["status"] == ("PENDING" if point == "after commit" else "success")
    await cloud.completed(again["task_id"])
    assert await cloud.one("select count(*) from tasks where operation = 'reboot_instance'") == 1
