"""Transactions that want the same rows wait for one another; none of them waits in a circle."""

import asyncio
from uuid import UUID

from bluelobster.billing.charge import post_charges
from bluelobster.billing.ledger import credit
from bluelobster.db.pool import transaction
from bluelobster.instances.place import Size, release_everything, reserve_host
from cloud import LAUNCH, TestCloud, eventually


async def one_waits(cloud: TestCloud) -> None:
    async def look() -> bool:
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        return bool(await cloud.one(waiting))

    await eventually(look)


async def test_a_launch_under_the_name_of_a_machine_that_ends(cloud: TestCloud) -> None:
    """The launch holds the host and wants the name; the deletion gives both back."""
    instance_id = await cloud.launched(name="wanted")
    pool, now = cloud.parts.pool, cloud.parts.clock.now()

    async def end() -> None:
        async with transaction(pool) as tx:
            await release_everything(tx, UUID(instance_id), "deleted", now)

    async with transaction(pool) as tx:
        await reserve_host(tx, "us-east-1", None, Size(1, 1, 1, 0, None), "TINY-LINUX")
        ending = asyncio.create_task(end())
        await one_waits(cloud)
        # What a launch does to the name's index, without a wait: the name is still the other's.
        cursor = await tx.execute("select name from instances where name = 'wanted' and ended_at is null for update")
        assert await cursor.fetchone() == ("wanted",)
    await ending


async def test_two_machines_that_want_each_other_s_name(cloud: TestCloud) -> None:
    a, b = [(await cloud.launch(name=name))["vm_uuid"] for name in ("one", "two")]
    for _ in range(20):
        wishes = [(a, "two"), (b, "one")] * 5
        answers = await asyncio.gather(
            *(cloud.customer.put(f"/instances/{instance}/rename", json={"name": name}) for instance, name in wishes)
        )
        assert {answer.status_code for answer in answers} == {400}, [answer.text for answer in answers]


async def test_all_that_an_account_may_do_at_once(cloud: TestCloud) -> None:
    """Hosts, instances, the account's quotas, addresses, its row, its periods: everybody takes them in this order."""
    instances = [await cloud.launched(name=f"first-{number}") for number in range(3)]
    account_id = await cloud.one("select id from accounts where name = 'customer'")
    pool, clock = cloud.parts.pool, cloud.parts.clock

    async def give_credit() -> None:
        async with transaction(pool) as tx:
            await credit(tx, account_id, 1, "test", clock.now())

    asked = [
        *(cloud.customer.post("/instances/launch-instance", json={**LAUNCH, "name": f"m-{n % 4}"}) for n in range(12)),
        *(cloud.customer.post(f"/instances/{instance}/{path}") for instance in instances for path in ("ips", "backup")),
        *(cloud.customer.put(f"/instances/{each}/rename", json={"name": "m-0"}) for each in instances),
        cloud.customer.delete(f"/instances/{instances[0]}"),
    ]
    answers, _, _ = await asyncio.gather(
        asyncio.gather(*asked),
        asyncio.gather(*(post_charges(pool, clock) for _ in range(4))),
        asyncio.gather(*(give_credit() for _ in range(4))),
    )
    assert {answer.status_code for answer in answers} <= {200, 400, 409}, [answer.text for answer in answers]
    assert len([answer for answer in answers[:12] if answer.status_code == 200]) >= 3
