"""What two do at the same time: both are answered, and neither undoes the other."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from httpx import Response

from backed_up import backed_up
from bluelobster.access.keys import create_key
from bluelobster.access.principal import Sight
from bluelobster.billing.prices import change_price
from bluelobster.catalog.hosts import find_host
from bluelobster.catalog.types import retire_type
from bluelobster.db.pool import transaction
from bluelobster.quotas.require import hold_quotas
from bluelobster.reconcile.hosts import reconcile_host
from bluelobster.reconcile.strays import Strays
from bluelobster.teams.teams import delete_team
from bluelobster.users.oidc.enter import enter
from bluelobster.users.oidc.id_token import Identity
from bluelobster.users.passwords import Passwords
from bluelobster.users.user import User
from cloud import LAUNCH, TestCloud, api_client
from flow.test_backup_hosts import ANOTHER_HOST
from flow.test_teams import key_of, team_of
from people import PASSWORD, member, sign_in
from waiting import holding, so_many_wait

ADA = "ada@example.com"
LAUNCHES = "/instances/launch-instance"
HOLD_INSTANCE = "select from instances where id = %s for no key update"
TYPE = {
    "name": "large",
    "description": "Large",
    "price_cents_per_hour": 10,
    "vcpus": 2,
    "memory_gb": 4,
    "disk_gb": 40,
}


async def while_it_goes(cloud: TestCloud, team_id: str, ask: Callable[[], Awaitable[Response]]) -> int:
    """The status of a request that comes while a team is being deleted."""
    async with transaction(cloud.parts.pool) as tx:
        await delete_team(tx, Sight(await cloud.account_id(), None), team_id, cloud.parts.clock.now())
        asking = asyncio.ensure_future(ask())
        await so_many_wait(cloud)
    return (await asking).status_code


async def test_a_launch_of_a_team_that_goes(idle_cloud: TestCloud) -> None:
    team_id = await team_of(idle_cloud.customer, "x")
    inside = await key_of(idle_cloud, team_id, "owner")
    assert await while_it_goes(idle_cloud, team_id, lambda: inside.post(LAUNCHES, json=LAUNCH)) == 401


async def test_a_machine_that_comes_to_a_team_that_goes(idle_cloud: TestCloud) -> None:
    team_id = await team_of(idle_cloud.customer, "x")
    path = f"/instances/{(await idle_cloud.launch())['vm_uuid']}/team"
    wanted = {"team_id": team_id}
    assert await while_it_goes(idle_cloud, team_id, lambda: idle_cloud.customer.put(path, json=wanted)) == 404


async def test_two_changes_of_a_price(idle_cloud: TestCloud) -> None:
    async with transaction(idle_cloud.parts.pool) as tx:
        await change_price(tx, "ip_address_month", 400, None, idle_cloud.parts.clock.now())
        second = asyncio.create_task(idle_cloud.staff.put("/admin/prices/ip_address_month", json={"cents": 500}))
        await so_many_wait(idle_cloud)
    assert (await second).status_code == 200


async def test_a_type_that_is_retired_while_it_is_changed(idle_cloud: TestCloud) -> None:
    change = {"description": "Small"}
    async with transaction(idle_cloud.parts.pool) as tx:
        await retire_type(tx, "v1_cpu_small")
        changing = asyncio.create_task(idle_cloud.staff.patch("/admin/instance-types/v1_cpu_small", json=change))
        await so_many_wait(idle_cloud)
    assert (await changing).json()["retired"]
    assert await idle_cloud.one("select retired from instance_types where name = 'v1_cpu_small'")


async def test_two_types_of_one_name(idle_cloud: TestCloud) -> None:
    async with holding(idle_cloud, "lock table instance_types in share row exclusive mode"):
        both = [
            asyncio.create_task(idle_cloud.staff.post("/admin/instance-types", json={**TYPE, "vcpus": vcpus}))
            for vcpus in (2, 4)
        ]
        await so_many_wait(idle_cloud, 2)
    assert sorted([(await each).status_code for each in both]) == [201, 400]


async def test_the_last_address_of_each_of_two_networks(idle_cloud: TestCloud) -> None:
    network = {"region": "us-east-1", "network": "127.64.1.0/29", "gateway": "127.64.1.1"}
    one = {"first": "127.64.1.2", "last": "127.64.1.2"}
    assert (await idle_cloud.staff.post("/admin/pools", json={**network, **one})).status_code == 201
    await idle_cloud.execute("delete from addresses where address <<= '127.64.0.0/25' and address <> '127.64.0.50'")
    async with transaction(idle_cloud.parts.pool) as tx:
        await hold_quotas(tx, await idle_cloud.account_id())
        first = asyncio.create_task(idle_cloud.launch())
        await so_many_wait(idle_cloud)
        second = asyncio.create_task(idle_cloud.stranger.post(LAUNCHES, json=LAUNCH))
        await so_many_wait(idle_cloud, 2)
    await first
    assert (await second).status_code == 200


async def test_a_key_that_is_made_while_its_account_closes(idle_cloud: TestCloud) -> None:
    account_id = await idle_cloud.account_id()
    async with transaction(idle_cloud.parts.pool) as tx:
        key = await create_key(tx, account_id, "late", "owner", idle_cloud.parts.clock.now())
        assert (await idle_cloud.customer.post("/account/close", json={"name": "customer"})).status_code == 200
    assert (await idle_cloud.staff.post(f"/admin/accounts/{account_id}/reopen")).status_code == 200
    assert (await api_client(idle_cloud.app, key).get("/account")).status_code == 401


async def test_an_invitation_that_is_taken_and_withdrawn(idle_cloud: TestCloud) -> None:
    invited = (await idle_cloud.customer.post("/account/members", json={"email": ADA, "role": "member"})).json()
    taken = {"token": invited["invitation_token"], "password": PASSWORD}
    new = "insert into users (id, email, prefix, created_at) values (gen_random_uuid(), %s, 'x', now())"
    async with holding(idle_cloud, new, ADA):
        taking = asyncio.create_task(api_client(idle_cloud.app, None).post("/auth/invitations/accept", json=taken))
        await so_many_wait(idle_cloud)
        removing = asyncio.create_task(idle_cloud.customer.delete(f"/account/members/{invited['id']}"))
        await so_many_wait(idle_cloud, 2)
    assert ((await taking).status_code, (await removing).status_code) == (200, 204)


async def test_a_password_token_that_is_used_and_replaced(idle_cloud: TestCloud) -> None:
    new = {"email": ADA, "role": "member", "account": "customer"}
    made = (await idle_cloud.staff.post("/admin/users", json=new)).json()
    user, used = made["user"]["id"], {"token": made["password_token"], "password": PASSWORD}
    async with holding(idle_cloud, "select from users where id = %s for no key update", user):
        replacing = asyncio.create_task(idle_cloud.staff.post(f"/admin/users/{user}/reset-password"))
        await so_many_wait(idle_cloud)
        using = asyncio.create_task(api_client(idle_cloud.app, None).post("/auth/invitations/accept", json=used))
        await so_many_wait(idle_cloud, 2)
    assert ((await replacing).status_code, (await using).status_code) == (200, 400)


async def test_a_restore_while_its_host_is_removed(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = await backed_up(cloud, instance_id)
    await cloud.execute(ANOTHER_HOST, '{"backup_storage": "backup"}')
    async with holding(cloud, HOLD_INSTANCE, instance_id):
        wanted = {"backup_volid": volid}
        restoring = asyncio.create_task(cloud.customer.post(f"/instances/{instance_id}/restore", json=wanted))
        await so_many_wait(cloud)
        async with asyncio.timeout(10):
            assert (await cloud.staff.delete("/admin/hosts/px1")).status_code == 409
    assert (await restoring).status_code == 200


async def test_a_host_is_looked_at_while_one_of_its_machines_changes(idle_cloud: TestCloud) -> None:
    """Two looks, or one and the deletion of a team, would each wait for a machine that the other has."""
    parts = idle_cloud.parts
    busy, idle = [(await idle_cloud.launch(name=name))["vm_uuid"] for name in ("busy", "idle")]
    await idle_cloud.execute("delete from tasks")
    await idle_cloud.execute("update instances set status = 'rented', power_status = 'running', ready_at = now()")
    async with parts.pool.connection() as connection:
        host = await find_host(connection, "px1")
    assert host is not None
    async with holding(idle_cloud, HOLD_INSTANCE, busy), asyncio.timeout(10):
        await reconcile_host(parts.pool, await parts.connections.to_host(host), host, parts.clock, Strays())
    power = "select power_status from instances where id = %s"
    assert (await idle_cloud.one(power, busy), await idle_cloud.one(power, idle)) == ("running", "unknown")


async def test_two_browsers_of_somebody_new(idle_cloud: TestCloud) -> None:
    identity, now = Identity("https://idp", "ada", ADA, True), idle_cloud.parts.clock.now()
    await idle_cloud.customer.post("/account/members", json={"email": ADA, "role": "member"})

    async def come() -> User:
        async with transaction(idle_cloud.parts.pool) as tx:
            return await enter(tx, identity, now)

    async with transaction(idle_cloud.parts.pool) as tx:
        await enter(tx, identity, now)
        second = asyncio.create_task(come())
        await so_many_wait(idle_cloud)
    assert (await second).email == ADA


async def test_two_sign_ins_with_a_hash_that_is_outdated(
    idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    await member(idle_cloud, ADA)
    monkeypatch.setattr(Passwords, "is_outdated", lambda _self, _known: True)
    answers = await asyncio.gather(*(sign_in(idle_cloud, ADA) for _ in range(2)))
    assert [each.status_code for each in answers] == [200, 200]
