"""Closing an account: when it has nothing and owes nothing."""

import asyncio
from typing import Any

import httpx
import pytest

from bluelobster.access.keys import create_key
from bluelobster.accounts.close import close, reopen
from bluelobster.billing.ledger import credit
from bluelobster.db.pool import transaction
from bluelobster.http.errors import ApiError
from bluelobster.quotas.require import hold_quotas
from cloud import LAUNCH, TestCloud, api_client, eventually

NAME = {"name": "customer"}


async def ask(client: httpx.AsyncClient, body: Any = NAME) -> tuple[int, str]:
    answer = await client.post("/account/close", json=body)
    return answer.status_code, answer.json().get("error", answer.json().get("closed_at"))


async def test_what_is_in_the_way_is_named(cloud: TestCloud) -> None:
    account_id = await cloud.account_id()
    instance = await cloud.launched()
    backup = await cloud.customer.post(f"/instances/{instance}/backup")
    await cloud.completed(backup.json()["task_id"])
    refused = (await cloud.customer.post("/account/close", json=NAME)).json()
    assert (refused["error"], refused["instances"], refused["backups"]) == ("account_in_use", 1, 1)
    assert "1 instance and 1 backup;" in refused["message"]
    await cloud.customer.delete(f"/instances/{instance}")
    (volid,) = (each["volid"] for each in (await cloud.customer.get("/backups")).json()["backups"])
    deleted = await cloud.customer.delete("/backups", params={"volid": volid})
    await cloud.completed(deleted.json()["task_id"])
    refused = (await cloud.customer.post("/account/close", json=NAME)).json()
    assert (refused["instances"], refused["backups"], refused["balance_cents"]) == (0, 0, -2)
    assert "a debt of 2 cents" in refused["message"]
    async with transaction(cloud.parts.pool) as tx:
        await credit(tx, account_id, 2, "test", cloud.parts.clock.now())
    closed = (await cloud.customer.post("/account/close", json=NAME)).json()
    assert (closed["balance_cents"], closed["closed_at"] is None) == (0, False)
    assert await cloud.one("select sum(amount_cents)::int from ledger where account_id = %s", account_id) == 0


async def test_nobody_gets_in_until_it_is_open_again(idle_cloud: TestCloud) -> None:
    account_id = await idle_cloud.account_id()
    assert (await idle_cloud.customer.get("/account")).json()["name"] == "customer"
    pool, now = idle_cloud.parts.pool, idle_cloud.parts.clock.now()
    assert (await ask(idle_cloud.customer))[0] == 200
    assert (await idle_cloud.customer.get("/instances")).status_code == 401
    assert (await ask(idle_cloud.customer)) == (401, "unauthorized")
    async with transaction(pool) as tx:
        with pytest.raises(ApiError, match="is closed since"):
            await close(tx, account_id, now)
        await tx.execute("update api_keys set revoked_at = null where account_id = %s", (account_id,))
    assert (await idle_cloud.customer.get("/instances")).status_code == 401
    async with transaction(pool) as tx:
        assert (await reopen(tx, account_id, now)).closed_at is None
        with pytest.raises(ApiError, match="not closed"):
            await reopen(tx, account_id, now)
        key = await create_key(tx, account_id, "new", "owner", now)
    assert (await idle_cloud.customer.get("/instances")).status_code == 401
    assert (await api_client(idle_cloud.app, key).get("/instances")).status_code == 200


async def test_only_its_owner_closes_it_and_by_name(idle_cloud: TestCloud) -> None:
    for body, expected in (({}, 422), ({"name": "stranger"}, 400), ({"name": ""}, 400)):
        assert (await idle_cloud.customer.post("/account/close", json=body)).status_code == expected
    admin = await idle_cloud.customer.post("/keys", json={"role": "admin"})
    answer = await idle_cloud.customer.post("/account/close", json=NAME, headers={"X-API-Key": admin.json()["api_key"]})
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert (await idle_cloud.customer.get("/account")).json()["closed_at"] is None


async def test_a_launch_and_a_closing_at_once(idle_cloud: TestCloud) -> None:
    """Whoever comes second sees what the first did: no closed account has an instance."""
    account_id = await idle_cloud.account_id()

    async def waiting() -> int:
        query = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        return int(await idle_cloud.one(query))

    async with transaction(idle_cloud.parts.pool) as tx:
        await hold_quotas(tx, account_id)
        launches = [
            asyncio.create_task(idle_cloud.customer.post("/instances/launch-instance", json=LAUNCH)) for _ in range(2)
        ]
        await eventually(waiting)
        await tx.execute("update accounts set closed_at = now() where id = %s", (account_id,))
    assert {(await launch).status_code for launch in launches} == {401}
    assert await idle_cloud.one("select count(*) from instances") == 0
