"""An account's keys through the API: made, used from somewhere, rotated, revoked."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from bluelobster.access.keys import create_key
from bluelobster.access.last_use import Use, write
from bluelobster.access.permissions import Role
from bluelobster.db.pool import transaction
from cloud import LAUNCH, TestCloud, api_client, eventually

HERE = "198.51.100.7"
ELSEWHERE = "203.0.113.9"


async def made(client: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    answer = await client.post("/keys", json=wanted)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def with_key(cloud: TestCloud, key: dict[str, Any], host: str = HERE) -> httpx.AsyncClient:
    client = api_client(cloud.app, key["api_key"])
    client._transport = httpx.ASGITransport(app=cloud.app, raise_app_exceptions=False, client=(host, 40000))
    return client


async def shown(cloud: TestCloud, prefix: str) -> dict[str, Any]:
    listed = (await cloud.customer.get("/keys")).json()
    assert listed["total"] == len(listed["keys"])
    (found,) = (each for each in listed["keys"] if each["prefix"] == prefix)
    view: dict[str, Any] = found
    return view


async def status(client: httpx.AsyncClient) -> int:
    return (await client.get("/instances")).status_code


async def test_a_key_s_life(idle_cloud: TestCloud) -> None:
    key = await made(idle_cloud.customer, name="ci", role="member", expires_in_days=30)
    client = with_key(idle_cloud, key)
    assert await status(client) == 200
    assert (await client.post("/instances/launch-instance", json=LAUNCH)).status_code == 403
    view = await shown(idle_cloud, key["prefix"])
    assert {name: view[name] for name in ("name", "role", "team_id", "allowed_networks", "revoked_at")} == {
        "name": "ci",
        "role": "member",
        "team_id": None,
        "allowed_networks": None,
        "revoked_at": None,
    }
    assert key["api_key"] not in (await idle_cloud.customer.get("/keys")).text
    assert (await idle_cloud.customer.delete(f"/keys/{key['prefix']}")).status_code == 204
    assert await status(client) == 401
    assert (await shown(idle_cloud, key["prefix"]))["revoked_at"] is not None
    ended = await idle_cloud.customer.post(f"/keys/{key['prefix']}/rotate", json={})
    assert (ended.status_code, ended.json()["error"]) == (400, "key_ended")


async def test_keys_of_others_do_not_exist(idle_cloud: TestCloud) -> None:
    key = await made(idle_cloud.customer)
    for method, path in (("DELETE", f"/keys/{key['prefix']}"), ("POST", f"/keys/{key['prefix']}/rotate")):
        answer = await idle_cloud.stranger.request(method, path, json={})
        assert (answer.status_code, answer.json()["error"]) == (404, "key_not_found")
    assert key["prefix"] not in (await idle_cloud.stranger.get("/keys")).text
    team = await idle_cloud.stranger.post("/teams", json={"name": "Theirs"})
    answer = await idle_cloud.customer.post("/keys", json={"team_id": team.json()["id"]})
    assert (answer.status_code, answer.json()["error"]) == (404, "team_not_found")


async def test_a_key_of_a_team_is_in_both_lists(idle_cloud: TestCloud) -> None:
    team = (await idle_cloud.customer.post("/teams", json={"name": "Research"})).json()["id"]
    key = await made(idle_cloud.customer, team_id=team, role="viewer")
    assert (await shown(idle_cloud, key["prefix"]))["team_id"] == team
    listed = (await idle_cloud.customer.get(f"/teams/{team}/keys")).json()["keys"]
    assert [each["prefix"] for each in listed] == [key["prefix"]]
    rotated = await idle_cloud.customer.post(f"/teams/{team}/keys/{key['prefix']}/rotate", json={"overlap_hours": 0})
    assert (await status(with_key(idle_cloud, key)), await status(with_key(idle_cloud, rotated.json()))) == (401, 200)
    alone = await made(idle_cloud.customer)
    answer = await idle_cloud.customer.delete(f"/teams/{team}/keys/{alone['prefix']}")
    assert answer.json()["error"] == "key_not_found"


async def test_both_secrets_are_good_for_a_while(idle_cloud: TestCloud) -> None:
    first = await made(idle_cloud.customer, name="ci")
    prefix = first["prefix"]
    second = (await idle_cloud.customer.post(f"/keys/{prefix}/rotate", json={"overlap_hours": 2})).json()
    assert second["prefix"] == prefix
    assert second["old_secret_until"] > second["rotated_at"]
    old, new = with_key(idle_cloud, first), with_key(idle_cloud, second)
    assert (await status(old), await status(new)) == (200, 200)
    third = (await idle_cloud.customer.post(f"/keys/{prefix}/rotate", json={"overlap_hours": 2})).json()
    newest = with_key(idle_cloud, third)
    assert (await status(old), await status(new), await status(newest)) == (401, 200, 200)
    async with transaction(idle_cloud.parts.pool) as tx:
        await tx.execute("update api_keys set old_until = old_until - interval '2 hours' where prefix = %s", (prefix,))
    assert (await status(new), await status(newest)) == (401, 200)
    await idle_cloud.customer.post(f"/keys/{prefix}/rotate", json={"overlap_hours": 0})
    assert await status(newest) == 401
    assert (await shown(idle_cloud, prefix))["old_secret_until"] is None
    again = await idle_cloud.customer.post(f"/keys/{prefix}/rotate", json={}, headers={"Idempotency-Key": "one"})
    repeated = await idle_cloud.customer.post(f"/keys/{prefix}/rotate", json={}, headers={"Idempotency-Key": "one"})
    assert ("api_key" in again.json(), "api_key" in repeated.json()) == (True, False)


async def test_a_key_is_refused_from_elsewhere(idle_cloud: TestCloud) -> None:
    key = await made(idle_cloud.customer, role="owner", allowed_networks=["198.51.100.0/24", "2001:db8::1"])
    assert key["allowed_networks"] == ["198.51.100.0/24", "2001:db8::1/128"]
    for host, expected in (
        (HERE, 200),
        (f"::ffff:{HERE}", 200),
        ("2001:db8::1", 200),
        ("2001:db8::2", 403),
        ("nowhere", 403),
    ):
        assert await status(with_key(idle_cloud, key, host)) == expected, host
    for host in (ELSEWHERE, f"::ffff:{ELSEWHERE}"):
        answer = await with_key(idle_cloud, key, host).post("/instances/launch-instance", json=LAUNCH)
        assert (answer.status_code, answer.json()["error"]) == (403, "address_not_allowed")
    assert await idle_cloud.one("select count(*) from audit_log where error = 'address_not_allowed'") == 2
    wrong = {"api_key": key["api_key"][:-1] + ("a" if key["api_key"][-1] != "a" else "b")}
    assert await status(with_key(idle_cloud, wrong, ELSEWHERE)) == 401


@pytest.mark.parametrize(
    ("networks", "word"),
    [(["10.0.0.1/8"], "10.0.0.0/8"), (["x"], "network"), ([""], "network"), (["::ffff:1.2.3.4"], "network"), ([], "1")],
)
async def test_networks_that_cannot_be(idle_cloud: TestCloud, networks: list[str], word: str) -> None:
    answer = await idle_cloud.customer.post("/keys", json={"allowed_networks": networks})
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert word in answer.json()["errors"][0]["message"]


async def key_of_customer(cloud: TestCloud, role: Role, **more: Any) -> httpx.AsyncClient:
    account_id = await cloud.account_id()
    async with transaction(cloud.parts.pool) as tx:
        return api_client(cloud.app, await create_key(tx, account_id, "test", role, cloud.parts.clock.now(), **more))


async def test_no_key_makes_one_that_may_more(idle_cloud: TestCloud) -> None:
    admin = await key_of_customer(idle_cloud, "admin")
    owner = await made(idle_cloud.customer, role="owner")
    prefix = owner["prefix"]
    for answer in (
        await admin.post("/keys", json={"role": "owner"}),
        await admin.post("/keys", json={"role": "staff"}),
        await admin.post(f"/keys/{prefix}/rotate", json={}),
        await admin.delete(f"/keys/{prefix}"),
        await idle_cloud.customer.post("/keys", json={"role": "staff"}),
    ):
        assert answer.status_code in {400, 403}, answer.text
    assert await status(with_key(idle_cloud, owner)) == 200
    assert (await made(admin, role="admin"))["role"] == "admin"


async def test_what_is_limited_makes_what_is_limited(idle_cloud: TestCloud) -> None:
    limited = with_key(
        idle_cloud,
        await made(idle_cloud.customer, role="owner", expires_in_days=2, allowed_networks=["198.51.100.0/24"]),
    )
    inherited = await made(limited)
    assert (inherited["allowed_networks"], inherited["expires_at"] is None) == (["198.51.100.0/24"], False)
    assert (await made(limited, allowed_networks=[HERE], expires_in_days=1))["allowed_networks"] == [f"{HERE}/32"]
    free = await made(idle_cloud.customer)
    for answer in (
        await limited.post("/keys", json={"expires_in_days": 3}),
        await limited.post("/keys", json={"allowed_networks": ["198.51.0.0/16"]}),
        await limited.post("/keys", json={"allowed_networks": [HERE, "::/0"]}),
        await limited.post(f"/keys/{free['prefix']}/rotate", json={}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


async def test_its_last_use_is_known_to_the_minute(idle_cloud: TestCloud) -> None:
    key = await made(idle_cloud.customer)
    client = with_key(idle_cloud, key, ELSEWHERE)
    assert (await shown(idle_cloud, key["prefix"]))["last_used_at"] is None
    for _ in range(3):
        await client.get("/instances")

    async def used() -> str | None:
        ip: str | None = (await shown(idle_cloud, key["prefix"]))["last_used_ip"]
        return ip

    assert await eventually(used) == ELSEWHERE
    at = await idle_cloud.one("select last_used_at from api_keys where prefix = %s", key["prefix"])
    for seconds, expected in ((59, ELSEWHERE), (60, "192.0.2.1"), (-5, "192.0.2.1")):
        await write(idle_cloud.parts.pool, {key["prefix"]: Use(at + timedelta(seconds=seconds), "192.0.2.1")})
        assert await used() == expected
