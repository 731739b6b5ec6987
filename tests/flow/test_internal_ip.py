"""Private networks: an account's machines in a region reach each other, and nobody else's."""

import asyncio
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from bluelobster.db.pool import transaction
from bluelobster.network.pools import save_internal_pool
from cloud import CLEAN, LAUNCH, TestCloud

NETWORK = IPv4Network("10.90.0.0/24")


async def offer_network(cloud: TestCloud, addresses: int = 10, tags: tuple[int, int] = (100, 199)) -> None:
    """An internal pool in the region, and a bridge for it on the host."""
    given = [IPv4Address(int(NETWORK.network_address) + number) for number in range(10, 10 + addresses)]
    async with transaction(cloud.parts.pool) as tx:
        await save_internal_pool(tx, "us-east-1", NETWORK, tags, given)
        await tx.execute("update hosts set internal_bridge = 'vmbr1'")


async def internal_ip(cloud: TestCloud, instance_id: str) -> str | None:
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    listed = (await cloud.customer.get("/instances")).json()
    assert shown in listed
    found: str | None = shown["internal_ip"]
    return found


async def card(cloud: TestCloud, instance_id: str) -> str:
    vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
    return str(cloud.node.node.vms.get(vmid).config["net1"])


async def test_none_without_a_pool_and_a_bridge(cloud: TestCloud) -> None:
    first = await cloud.launched()
    assert await internal_ip(cloud, first) is None
    await offer_network(cloud)
    async with transaction(cloud.parts.pool) as tx:
        await tx.execute("update hosts set internal_bridge = null")
    assert await internal_ip(cloud, await cloud.launched()) is None
    assert await cloud.one("select count(*) from account_networks") == 0


async def test_an_account_s_machines_share_a_network(cloud: TestCloud) -> None:
    await offer_network(cloud)
    first, second = await cloud.launched(), await cloud.launched()
    assert [await internal_ip(cloud, each) for each in (first, second)] == ["10.90.0.10", "10.90.0.11"]
    assert (await card(cloud, first)).endswith(",bridge=vmbr1,firewall=1,tag=100")
    assert (await card(cloud, second)).endswith(",bridge=vmbr1,firewall=1,tag=100")
    answer = await cloud.stranger.post("/instances/launch-instance", json=LAUNCH)
    async with asyncio.timeout(20):
        while (await cloud.stranger.get(f"/tasks/{answer.json()['task_id']}")).json()["status"] != "COMPLETED":
            await asyncio.sleep(0.05)
    assert (await card(cloud, answer.json()["vm_uuid"])).endswith(",bridge=vmbr1,firewall=1,tag=101")

    vmid = await cloud.one("select vmid from instances where id = %s", first)
    config = cloud.node.node.vms.get(vmid).config
    assert config["ipconfig1"] == "ip=10.90.0.10/24"
    firewall = cloud.hypervisor.firewalls[vmid]
    assert firewall is not None
    assert firewall.own_addresses(1) == ("10.90.0.10",)


async def test_it_is_no_address_to_list_or_release(cloud: TestCloud) -> None:
    await offer_network(cloud)
    instance_id = await cloud.launched()
    ips = (await cloud.customer.get(f"/instances/{instance_id}/ips")).json()
    assert [each["ip_address"] for each in ips["ips"]] == ["127.64.0.10"]
    answer = await cloud.customer.delete(f"/instances/{instance_id}/ips/10.90.0.10")
    assert (answer.status_code, answer.json()["error"]) == (404, "ip_not_found")
    added = (await cloud.customer.post(f"/instances/{instance_id}/ips")).json()
    await cloud.completed(added["task_id"])
    vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
    assert cloud.node.node.vms.get(vmid).config["ipconfig2"] == "ip=127.64.0.11/25"
    firewall = cloud.hypervisor.firewalls[vmid]
    assert firewall is not None
    assert firewall.own_addresses(1) == ("10.90.0.10",)


async def test_the_last_machine_gives_the_tag_back(cloud: TestCloud) -> None:
    await offer_network(cloud)
    first, second = await cloud.launched(), await cloud.launched()
    await cloud.customer.delete(f"/instances/{first}")
    assert await cloud.one("select machines from account_networks") == 1
    await cloud.customer.delete(f"/instances/{second}")
    assert await cloud.leftovers() == CLEAN


@pytest.mark.parametrize("short", [{"addresses": 1}, {"tags": (100, 100)}])
async def test_a_full_network_refuses_a_launch(idle_cloud: TestCloud, short: dict[str, Any]) -> None:
    await offer_network(idle_cloud, **short)
    await idle_cloud.launch()
    answer = await idle_cloud.stranger.post("/instances/launch-instance", json=LAUNCH)
    assert (answer.status_code, answer.json()["error"]) == (409, "resource_conflict")
    assert await idle_cloud.one("select count(*) from addresses where instance_id is not null") == 2


async def test_launches_at_once_get_networks_of_their_own(idle_cloud: TestCloud) -> None:
    await offer_network(idle_cloud, addresses=20)
    clients = [idle_cloud.customer, idle_cloud.stranger, idle_cloud.staff]
    asked = [client.post("/instances/launch-instance", json=LAUNCH) for client in clients * 4]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    assert await idle_cloud.one("select array_agg(machines) from account_networks") == [4, 4, 4]
    assert await idle_cloud.one("select count(distinct tag) from account_networks") == 3
    assert await idle_cloud.one("select count(*) from addresses where tag is not null") == 12
