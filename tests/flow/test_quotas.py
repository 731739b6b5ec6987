"""Quotas: what would exceed one is refused, whoever comes first and however many come at once."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from bluelobster.db.pool import transaction
from bluelobster.quotas.limit import set_limit
from bluelobster.quotas.quota import Item
from cloud import LAUNCH, TestCloud

CUSTOM = {
    **LAUNCH, "name": "exact", "host": "px1", "cores": 4, "memory": 16, "disk_size": 40, "gpu_count": 0,
}  # fmt: skip


async def limit(
    cloud: TestCloud, item: Item, most: int | None, account: str | None = "customer", model: str | None = None
) -> None:
    account_id = await cloud.account_id(account) if account else None
    async with transaction(cloud.parts.pool) as tx:
        await set_limit(tx, account_id, item, model, most)


async def launch(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post("/instances/launch-instance", json={**LAUNCH, **changes})


async def used(client: httpx.AsyncClient) -> dict[str, tuple[int, int | None]]:
    answer = await client.get("/quotas")
    assert answer.status_code == 200, answer.text
    return {each["quota"]: (each["used"], each["limit"]) for each in answer.json()["quotas"]}


async def test_what_is_used_is_shown_with_its_limit(cloud: TestCloud) -> None:
    instance = await cloud.launched(instance_type="gpu_1x_a4000")
    for path in ("ips", "backup"):
        answer = await cloud.customer.post(f"/instances/{instance}/{path}")
        assert (await cloud.completed(answer.json()["task_id"]))["status"] == "COMPLETED"
    await limit(cloud, "vcpus", 40)
    await limit(cloud, "backups", None)
    await limit(cloud, "gpus", 3, model="A4000")
    assert await used(cloud.customer) == {
        "instances": (1, 200),
        "vcpus": (8, 40),
        "memory_gb": (32, 8000),
        "gpus:A4000": (1, 3),
        "gpus:A5000": (0, 32),
        "gpus:A6000": (0, 32),
        "addresses": (1, 100),
        "backups": (1, None),
    }
    assert (await used(cloud.stranger))["vcpus"] == (0, 2000)
    assert (await used(cloud.staff))["vcpus"] == (0, None)
    await cloud.customer.delete(f"/instances/{instance}")
    assert {name: count for name, (count, _) in (await used(cloud.customer)).items() if count} == {"backups": 1}


@pytest.mark.parametrize(
    ("item", "model", "most", "quota", "counts"),
    [
        ("instances", None, 1, "instances", (1, 1)),
        ("vcpus", None, 12, "vcpus", (8, 8)),
        ("memory_gb", None, 63, "memory_gb", (32, 32)),
        ("gpus", None, 1, "gpus:A4000", (1, 1)),
        ("gpus", "A4000", 1, "gpus:A4000", (1, 1)),
    ],
)
async def test_a_launch_beyond_one_is_refused(
    idle_cloud: TestCloud, item: Item, model: str | None, most: int, quota: str, counts: tuple[int, int]
) -> None:
    await limit(idle_cloud, item, most, model=model)
    assert (await launch(idle_cloud.customer, instance_type="gpu_1x_a4000")).status_code == 200
    refused = await launch(idle_cloud.customer, instance_type="gpu_1x_a4000", name="second")
    took, wanted = counts
    assert (refused.status_code, refused.json()) == (
        403,
        {
            "error": "quota_exceeded",
            "message": f"The quota {quota} is {most} and {took} are used; this needs {wanted} more",
            "quota": quota,
            "limit": most,
            "used": took,
            "wanted": wanted,
        },
    )
    assert len((await idle_cloud.customer.get("/instances")).json()) == 1
    assert await idle_cloud.one("select vcpus_used from hosts") == 8
    assert (await launch(idle_cloud.stranger, instance_type="gpu_1x_a4000")).status_code == 200


async def test_what_is_over_one_quota_already_may_grow_in_others(cloud: TestCloud) -> None:
    instance = await cloud.launched()
    await limit(cloud, "instances", 0)
    await limit(cloud, "gpus", 0)
    assert (await launch(cloud.customer)).json()["quota"] == "instances"
    await limit(cloud, "backups", 0)
    backup = await cloud.customer.post(f"/instances/{instance}/backup")
    assert (backup.status_code, backup.json()["quota"], backup.json()["used"]) == (403, "backups", 0)
    answer = await cloud.customer.post(f"/instances/{instance}/ips")
    await cloud.completed(answer.json()["task_id"])
    await limit(cloud, "addresses", 1)
    refused = await cloud.customer.post(f"/instances/{instance}/ips")
    assert (refused.status_code, refused.json()["quota"], refused.json()["used"]) == (403, "addresses", 1)
    await limit(cloud, "instances", 2)
    assert (await launch(cloud.customer)).status_code == 200


async def test_staff_has_its_own_limits_only(idle_cloud: TestCloud) -> None:
    await limit(idle_cloud, "vcpus", 2, account=None)
    assert (await idle_cloud.staff.post("/instances/launch-custom", json=CUSTOM)).status_code == 200
    await limit(idle_cloud, "vcpus", 7, account="staff")
    refused = await idle_cloud.staff.post("/instances/launch-custom", json={**CUSTOM, "name": "another"})
    assert (refused.status_code, refused.json()["error"]) == (403, "quota_exceeded")


async def test_as_many_at_once_as_the_quota_has_and_no_more(idle_cloud: TestCloud) -> None:
    await limit(idle_cloud, "vcpus", 10)
    answers = await asyncio.gather(*(launch(idle_cloud.customer, name=f"m-{number}") for number in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [403] * 7
    assert (await used(idle_cloud.customer))["vcpus"] == (10, 10)
    assert await idle_cloud.one("select vcpus_used from hosts") == 10


async def test_they_are_the_whole_account_s(idle_cloud: TestCloud) -> None:
    team = (await idle_cloud.customer.post("/teams", json={"name": "ml"})).json()["id"]
    made = await idle_cloud.customer.post(f"/teams/{team}/keys", json={"role": "admin"})
    await limit(idle_cloud, "instances", 1)
    inside = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=idle_cloud.app),
        base_url="http://api/api/v1",
        headers={"X-API-Key": made.json()["api_key"]},
    )
    assert (await inside.get("/quotas")).status_code == 403
    assert [(await launch(inside)).status_code for _ in range(2)] == [200, 403]
    account_id: UUID = await idle_cloud.account_id()
    assert await idle_cloud.one("select count(*) from instances where account_id = %s", account_id) == 1
