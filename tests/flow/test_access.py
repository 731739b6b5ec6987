"""Who may: keys, their scopes, and other accounts' things."""

from datetime import timedelta

from bluelobster.access.keys import create_key, list_keys, revoke_key
from bluelobster.db.pool import transaction
from cloud import LAUNCH, TestCloud, api_client


async def test_expired_and_revoked_keys_open_nothing(idle_cloud: TestCloud) -> None:
    clock, pool = idle_cloud.parts.clock, idle_cloud.parts.pool
    account_id = await idle_cloud.account_id()
    async with transaction(pool) as tx:
        expired = await create_key(tx, account_id, "old", "owner", clock.now(), clock.now() - timedelta(seconds=1))
        revoked = await create_key(tx, account_id, "lost", "owner", clock.now())
        assert await revoke_key(tx, revoked.split("_")[1], clock.now())
        assert not await revoke_key(tx, "no-such", clock.now())
        names = [key.name for key in await list_keys(tx)]
    assert {"old", "lost"} <= set(names)
    for key in (expired, revoked):
        assert (await api_client(idle_cloud.app, key).get("/instances")).status_code == 401


async def test_another_account_s_things_do_not_exist(cloud: TestCloud) -> None:
    accepted = await cloud.launch()
    await cloud.completed(accepted["task_id"])
    instance = f"/instances/{accepted['vm_uuid']}"
    for method, path in (
        ("GET", instance),
        ("DELETE", instance),
        ("POST", f"{instance}/reboot"),
        ("POST", f"{instance}/shutdown"),
        ("POST", f"{instance}/force-shutdown"),
        ("POST", f"{instance}/power-on"),
        ("POST", f"{instance}/power-cycle"),
        ("PUT", f"{instance}/rename"),
        ("GET", f"{instance}/stats"),
        ("GET", f"/tasks/{accepted['task_id']}"),
    ):
        answer = await cloud.stranger.request(method, path, json={"name": "mine-now"} if method == "PUT" else None)
        assert answer.status_code == 404, (method, path)
    assert (await cloud.stranger.get("/instances")).json() == []
    assert (await cloud.stranger.get("/tasks")).json()["tasks"] == []
    assert (await cloud.customer.get(instance)).json()["power_status"] == "running"


async def test_staff_sees_every_account_s_tasks(idle_cloud: TestCloud) -> None:
    await idle_cloud.launch()
    await idle_cloud.stranger.post("/instances/launch-instance", json=LAUNCH)
    assert len((await idle_cloud.staff.get("/tasks?all_accounts=true")).json()["tasks"]) == 2
    assert (await idle_cloud.staff.get("/tasks")).json()["tasks"] == []


async def test_no_key_is_in_the_database(idle_cloud: TestCloud) -> None:
    secret = idle_cloud.key.split("_")[2]
    assert await idle_cloud.one("select string_agg(k::text, '') from api_keys k") is not None
    assert secret not in await idle_cloud.one("select string_agg(k::text, '') from api_keys k")
    assert secret.encode().hex() not in await idle_cloud.one("select string_agg(k::text, '') from api_keys k")
