"""Transactions that want the same rows wait for one another; none of them waits in a circle."""

import asyncio
from contextlib import suppress
from uuid import UUID

import pytest

from bluelobster.billing.charge import post_charges
from bluelobster.billing.ledger import credit
from bluelobster.catalog.template_images import withdraw_image
from bluelobster.catalog.templates import KNOWN
from bluelobster.db.pool import transaction
from bluelobster.instances.place import HostFilledUp, NoRoom, choose_host, release_everything, take_room
from bluelobster.instances.wanted import Size, Wanted
from cloud import LAUNCH, TestCloud
from waiting import so_many_wait


async def test_a_launch_under_the_name_of_a_machine_that_ends(cloud: TestCloud) -> None:
    """The deletion gives back the name, and the room on the host that the launch takes last."""
    instance_id = await cloud.launched(name="wanted")
    pool, now = cloud.parts.pool, cloud.parts.clock.now()
    async with transaction(pool) as tx:
        await release_everything(tx, UUID(instance_id), "deleted", now)
        launching = asyncio.create_task(cloud.launch(name="wanted"))
        await so_many_wait(cloud)
    assert (await launching)["status"] == "PENDING"


async def another_host(cloud: TestCloud) -> None:
    """Like the first, but for GPUs: a machine without any goes there."""
    async with transaction(cloud.parts.pool) as tx:
        await tx.execute("create temporary table another on commit drop as select * from hosts")
        await tx.execute("update another set id = 'px2', node = 'px2'")
        await tx.execute("insert into hosts select * from another")
        await tx.execute("insert into host_templates select 'px2', template, volume from host_templates")


@pytest.mark.parametrize(("taken", "host"), [(True, "px1"), (False, "px2")], ids=["taken", "left after all"])
async def test_a_host_that_may_fill_up_while_a_launch_waits_for_it(
    idle_cloud: TestCloud, taken: bool, host: str
) -> None:
    """Whoever finds no room on the host of their choice gets the next one, and nothing stays of the first attempt."""
    await another_host(idle_cloud)
    with suppress(NothingTaken):
        async with transaction(idle_cloud.parts.pool) as tx:
            await tx.execute("update hosts set vcpus_used = vcpus where id = 'px2'")
            launching = asyncio.create_task(idle_cloud.launch(name="either"))
            await so_many_wait(idle_cloud)
            if not taken:
                raise NothingTaken
    await launching
    assert await idle_cloud.one("select host_id from instances where name = 'either'") == host
    assert await idle_cloud.one("select count(*) from addresses where instance_id is not null") == 1
    assert await idle_cloud.one("select params ->> 'host_id' from tasks") == host


class NothingTaken(Exception):
    """Rolls back what would have filled the host."""


async def test_the_last_host_that_fills_up(idle_cloud: TestCloud) -> None:
    async with transaction(idle_cloud.parts.pool) as tx:
        await tx.execute("update hosts set disk_gb_used = disk_gb where id = 'px1'")
        launching = asyncio.create_task(idle_cloud.customer.post("/instances/launch-instance", json=LAUNCH))
        await so_many_wait(idle_cloud)
    answer = await launching
    assert (answer.status_code, answer.json()["error"]) == (409, "resource_conflict")
    assert await idle_cloud.one("select count(*) from addresses where instance_id is not null") == 0


async def test_a_host_whose_image_is_withdrawn_waits_for_launches(idle_cloud: TestCloud) -> None:
    """And the launch that made it wait is seen."""
    wanted = Wanted(
        "m", None, "us-east-1", None, "any", 0, Size(1, 1, 1, 0, None), KNOWN["TINY-LINUX"], None, "u", None, None, None
    )

    async def withdraw() -> bool:
        async with transaction(idle_cloud.parts.pool) as tx:
            return await withdraw_image(tx, "TINY-LINUX", "px1")

    async with transaction(idle_cloud.parts.pool) as tx:
        await choose_host(tx, wanted, [])
        withdrawing = asyncio.create_task(withdraw())
        await so_many_wait(idle_cloud)
    assert await withdrawing
    async with transaction(idle_cloud.parts.pool) as tx:
        with pytest.raises(NoRoom):
            await choose_host(tx, wanted, [])
        with pytest.raises(HostFilledUp):
            await take_room(tx, "px1", wanted)


async def test_a_name_of_ours_that_is_taken_is_made_anew(
    idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["calm-reef-1", "calm-reef-1", "calm-reef-2"])
    monkeypatch.setattr("bluelobster.instances.launch.generated_name", lambda: next(names))
    first, second = [await idle_cloud.launch() for _ in range(2)]
    assert {first["vm_uuid"], second["vm_uuid"]} == {
        str(each) for each in (await idle_cloud.one("select array_agg(id) from instances where ended_at is null"))
    }
    assert await idle_cloud.one("select array_agg(name order by name) from instances") == ["calm-reef-1", "calm-reef-2"]


async def test_two_machines_that_want_each_other_s_name(cloud: TestCloud) -> None:
    a, b = [(await cloud.launch(name=name))["vm_uuid"] for name in ("one", "two")]
    for _ in range(20):
        wishes = [(a, "two"), (b, "one")] * 5
        answers = await asyncio.gather(
            *(cloud.customer.put(f"/instances/{instance}/rename", json={"name": name}) for instance, name in wishes)
        )
        assert {answer.status_code for answer in answers} == {400}, [answer.text for answer in answers]


async def test_all_that_an_account_may_do_at_once(cloud: TestCloud) -> None:
    """Instances, addresses, the account's quotas, its row, its periods, hosts: everybody takes them in this order."""
    instances = [await cloud.launched(name=f"first-{number}") for number in range(3)]
    account_id = await cloud.account_id()
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
