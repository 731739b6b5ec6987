"""A firewall that becomes another machine's: all of it, and nothing that a customer changes meanwhile is lost."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bluelobster.db.pool import transaction
from bluelobster.firewall import changing as changes
from bluelobster.firewall.carry import carry
from bluelobster.firewall.changing import hold, is_being_changed
from bluelobster.firewall.wall import read_wall
from cloud import TestCloud, eventually
from pvelocal.faults import Fault

RULE = {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "22", "enable": 1}


async def two(cloud: TestCloud) -> tuple[str, int, int]:
    """An instance with a firewall, its number, and that of another machine."""
    one, other = await asyncio.gather(cloud.launched(), cloud.launched())
    for comment in ("third", "second", "first"):
        await add(cloud, one, comment=comment, source="10.0.0.0/8" if comment == "second" else None)
    await cloud.customer.put(f"/instances/{one}/firewall", json={"policy_in": "DROP"})
    return one, await number(cloud, one), await number(cloud, other)


async def number(cloud: TestCloud, instance_id: str) -> int:
    vmid: int = await cloud.one("select vmid from instances where id = %s", instance_id)
    return vmid


async def add(cloud: TestCloud, instance_id: str, **changed: Any) -> None:
    answer = await cloud.customer.post(f"/instances/{instance_id}/firewall/rules", json={**RULE, **changed})
    assert answer.status_code == 200, answer.text


async def held(cloud: TestCloud, instance_id: Any, *, held: bool) -> None:
    async with transaction(cloud.parts.pool) as tx:
        await hold(tx, instance_id, held=held)


async def being_changed(cloud: TestCloud, instance_id: Any) -> bool:
    async with transaction(cloud.parts.pool) as tx:
        return await is_being_changed(tx, instance_id)


@pytest.mark.parametrize("switched_off", [False, True])
async def test_all_of_it_is_carried_however_often(cloud: TestCloud, switched_off: bool) -> None:
    instance_id, source, target = await two(cloud)
    if switched_off:
        await cloud.customer.put(f"/instances/{instance_id}/firewall", json={"enable": False})
    pve = await cloud.parts.connections.to("px1")
    before = await read_wall(pve, source)
    sets = {name: await pve.ip_set(source, name) for name in await pve.ip_sets(source)}
    await pve.make_ip_set(target, "ipfilter-net7")
    cloud.node.faults.add(Fault("error", "POST", rf"/{target}/firewall/rules$", nth=2))
    with pytest.raises(Exception, match="provoked"):
        await carry(lambda: pve, source, target)
    for _ in range(2):
        await carry(lambda: pve, source, target)
        after = await read_wall(pve, target)
        assert replace(after.options, digest="") == replace(before.options, digest="")
        assert [replace(rule, digest="") for rule in after.rules] == [replace(rule, digest="") for rule in before.rules]
        assert after.enabled is not switched_off
        assert set(await pve.ip_sets(target)) == set(sets)
        for name, addresses in sets.items():
            assert set(await pve.ip_set(target, name)) == set(addresses)


async def test_a_change_waits_for_the_new_machine(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    instance_id, source, target = await two(cloud)
    other = await cloud.one("select id from instances where vmid = %s", target)
    await held(cloud, instance_id, held=True)
    monkeypatch.setattr(changes, "PATIENCE_SECONDS", 0.0)
    refused = await cloud.customer.put(f"/instances/{instance_id}/firewall", json={"policy_in": "ACCEPT"})
    assert (refused.status_code, refused.json()["error"]) == (409, "task_in_progress")
    monkeypatch.undo()
    change = asyncio.create_task(add(cloud, instance_id, comment="late"))
    pve = await cloud.parts.connections.to("px1")
    await cloud.customer.delete(f"/instances/{other}")
    assert not await being_changed(cloud, instance_id)
    assert not change.done()
    async with transaction(cloud.parts.pool) as tx:
        await tx.execute("update instances set vmid = %s, firewall_held = false where id = %s", (target, instance_id))
    await pve.wait(
        await pve.create_vm(target, {"smbios1": f"uuid={instance_id}", "net0": "virtio,bridge=vmbr0"}), timeout=10
    )
    await change
    assert [rule.fields["comment"] for rule in await pve.firewall_rules(target)] == ["late"]
    assert len(await pve.firewall_rules(source)) == 3


async def test_a_change_under_way_is_waited_for(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    slow = cloud.node.faults.add(Fault("delay", "POST", "/firewall/rules$", seconds=0.5))
    change = asyncio.create_task(add(cloud, instance_id))

    async def begun() -> bool:
        return slow.fired == 1

    await eventually(begun)
    await held(cloud, instance_id, held=True)
    assert await being_changed(cloud, instance_id)
    await change
    assert not await being_changed(cloud, instance_id)
    await cloud.one("update instances set firewall_held = false returning 1")


async def test_a_change_whose_maker_died_is_not_waited_for(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    await cloud.one(
        """insert into firewall_changes (id, instance_id, began_at)
           select gen_random_uuid(), id, clock_timestamp() from instances returning 1"""
    )
    assert await being_changed(cloud, instance_id)
    await cloud.one("update firewall_changes set began_at = began_at - interval '91 s' returning 1")
    assert not await being_changed(cloud, instance_id)
    assert await cloud.one("select count(*) from firewall_changes") == 0
