"""An API that is killed while it accepts a launch or a deletion has accepted all of it, or nothing."""

import signal
from typing import Any

import pytest

from cloud import CLEAN, LAUNCH, TestCloud
from faults.api_victim import start_api
from faults.victim import end, until_ended

POINTS = ("before commit", "after commit")


async def kill_api(cloud: TestCloud, point: str, method: str, path: str, body: Any = None) -> None:
    api = start_api(cloud.settings, point, dict(cloud.customer.headers), method, path, body)
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
