"""Additional addresses: asked for, used, paid for, given back."""

from dataclasses import dataclass
from typing import Any

import pytest

from bluelobster.billing.prices import set_price
from bluelobster.db.pool import transaction
from bluelobster.network.addresses import mac_for
from cloud import CLEAN, TestCloud
from pvelocal.faults import Fault


@dataclass(frozen=True)
class Ips:
    """An instance's addresses through the API, and on the node."""

    cloud: TestCloud
    instance_id: str
    vmid: int

    @property
    def path(self) -> str:
        return f"/instances/{self.instance_id}/ips"

    async def listed(self) -> list[dict[str, Any]]:
        answer = await self.cloud.customer.get(self.path)
        assert answer.status_code == 200, answer.text
        assert answer.json()["total"] == len(answer.json()["ips"])
        ips: list[dict[str, Any]] = answer.json()["ips"]
        return ips

    async def assign(self) -> dict[str, Any]:
        answer = await self.cloud.customer.post(self.path)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def assigned(self) -> str:
        """One more address, in use."""
        answer = await self.assign()
        await self.cloud.completed(answer["task_id"])
        return str(answer["ip_address"])

    async def release(self, address: str) -> dict[str, Any]:
        """The task of a release, ended."""
        answer = await self.cloud.customer.delete(f"{self.path}/{address}")
        assert answer.status_code == 200, answer.text
        return await self.cloud.ended(answer.json()["task_id"])

    async def refused(self, method: str, address: str = "") -> tuple[int, str, str]:
        answer = await self.cloud.customer.request(method, f"{self.path}{address}")
        return answer.status_code, answer.json()["error"], answer.json()["message"]

    @property
    def config(self) -> dict[str, str]:
        """The machine on the node, as it is at the moment."""
        return {name: str(value) for name, value in self.cloud.node.node.vms.get(self.vmid).config.items()}

    def may_send(self, card: int) -> tuple[str, ...]:
        """The addresses that a card of the running guest may send from."""
        firewall = self.cloud.hypervisor.firewalls[self.vmid]
        assert firewall is not None
        return tuple(sorted(firewall.own_addresses(card) or ()))

    async def open_periods(self) -> int:
        return int(await self.cloud.one("select count(*) from address_usage_periods where ended_at is null"))


async def ips_of(cloud: TestCloud, **changes: Any) -> Ips:
    instance_id = await cloud.launched(**changes)
    return Ips(cloud, instance_id, await cloud.one("select vmid from instances where id = %s", instance_id))


async def test_an_address_comes_and_goes(cloud: TestCloud) -> None:
    ips = await ips_of(cloud)
    (primary,) = await ips.listed()
    assert primary == {
        "ip_address": "127.64.0.10",
        "is_primary": True,
        "prefix": 25,
        "gateway": "127.64.0.1",
        "mac_address": primary["mac_address"],
        "assigned_at": primary["assigned_at"],
        "price_cents_per_month": 0,
    }
    answer = await ips.assign()
    task = await cloud.completed(answer["task_id"])
    assert task["params"] | {"ip_address": "127.64.0.11", "vm_uuid": ips.instance_id} == task["params"]
    assert "127.64.0.11 assigned" in task["message"]
    first, second = await ips.listed()
    assert first == primary
    assert (second["ip_address"], second["is_primary"], second["price_cents_per_month"]) == ("127.64.0.11", False, 300)
    assert second == {name: answer[name] for name in second}

    assert ips.config["net1"] == f"virtio={second['mac_address']},bridge=vmbr0,firewall=1"
    assert ips.config["ipconfig1"] == "ip=127.64.0.11/25"
    assert ips.may_send(0) == ips.may_send(1) == ("127.64.0.10", "127.64.0.11")
    inside = await cloud.hypervisor.agent(ips.vmid, "guest-network-get-interfaces")
    assert "127.64.0.11" in str(inside)
    assert await ips.open_periods() == 1

    assert (await ips.release("127.64.0.11"))["message"] == "IP address 127.64.0.11 released"
    assert await ips.listed() == [primary]
    assert "net1" not in ips.config
    assert "ipconfig1" not in ips.config
    assert ips.may_send(0) == ("127.64.0.10",)
    assert ips.may_send(1) == ()
    assert await ips.open_periods() == 0
    period = """
        select array[price_cents_per_month::text, host(address), (ended_at is not null)::text, instance_id::text]
        from address_usage_periods"""
    assert await cloud.one(period) == ["300", "127.64.0.11", "true", ips.instance_id]


async def test_several_addresses_have_a_card_each(cloud: TestCloud) -> None:
    ips = await ips_of(cloud)
    addresses = [await ips.assigned() for _ in range(3)]
    assert [each["ip_address"] for each in (await ips.listed())[1:]] == addresses
    macs = [each["mac_address"] for each in await ips.listed()]
    assert len(set(macs)) == 4
    await ips.release(addresses[1])
    assert [name for name in sorted(ips.config) if name.startswith("net")] == ["net0", "net1", "net3"]
    again = await ips.assigned()
    assert again not in addresses
    assert again in ips.config["ipconfig2"]
    assert ips.may_send(3) == tuple(sorted(["127.64.0.10", addresses[0], addresses[2], again]))
    shown = (await cloud.customer.get(f"/instances/{ips.instance_id}")).json()
    assert shown["ip_address"] == "127.64.0.10"
    assert (await cloud.customer.delete(f"/instances/{ips.instance_id}")).json()["status"] == "success"
    assert await cloud.leftovers() == CLEAN


async def test_a_stopped_machine_has_it_when_it_starts(cloud: TestCloud) -> None:
    ips = await ips_of(cloud)
    stop = await cloud.customer.post(f"/instances/{ips.instance_id}/force-shutdown")
    await cloud.completed(stop.json()["task_id"])
    address = await ips.assigned()
    start = await cloud.customer.post(f"/instances/{ips.instance_id}/power-on")
    await cloud.completed(start.json()["task_id"])
    assert address in str(await cloud.hypervisor.agent(ips.vmid, "guest-network-get-interfaces"))
    assert ips.may_send(1) == ("127.64.0.10", address)


async def test_what_cannot_be_released(cloud: TestCloud) -> None:
    ips = await ips_of(cloud)
    assert await ips.refused("DELETE", "/127.64.0.10") == (400, "cannot_release_last_ip", "Cannot release last IP")
    for unknown in ("127.64.0.11", "nothing", "999.1.1.1", "%20", "::1"):
        status, code, _ = await ips.refused("DELETE", f"/{unknown}")
        assert (status, code) == (404, "ip_not_found"), unknown
    other = await ips_of(cloud)
    assert (await ips.refused("DELETE", "/127.64.0.11"))[:2] == (404, "ip_not_found")
    await ips.assigned()
    assert (await ips.refused("DELETE", "/127.64.0.10"))[1:] == (
        "cannot_release_primary_ip",
        "Cannot release primary IP",
    )
    assert (await ips.refused("DELETE", "/127.64.0.11"))[:2] == (404, "ip_not_found")
    assert len(await other.listed()) == 1


@pytest.mark.parametrize(("method", "address"), [("GET", ""), ("POST", ""), ("DELETE", "/127.64.0.10")])
async def test_a_stranger_s_instance_does_not_exist(cloud: TestCloud, method: str, address: str) -> None:
    ips = await ips_of(cloud)
    answer = await cloud.stranger.request(method, ips.path + address)
    assert (answer.status_code, answer.json()["error"]) == (404, "instance_not_found")
    missing = await cloud.customer.request(method, f"/instances/nothing/ips{address}")
    assert (missing.status_code, missing.json()["error"]) == (404, "instance_not_found")


async def test_only_between_operations(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch()
    ips = Ips(idle_cloud, accepted["vm_uuid"], 0)
    assert (await ips.refused("POST"))[:2] == (400, "invalid_state")
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
        await ips.assigned()
    await ips.assign()
    assert (await ips.refused("POST"))[:2] == (400, "invalid_state")
    assert (await ips.refused("DELETE", "/127.64.0.11"))[:2] == (400, "invalid_state")
    assert len(await ips.listed()) == 3
    reboot = await idle_cloud.customer.post(f"/instances/{ips.instance_id}/shutdown")
    assert reboot.json()["error"] == "invalid_state"


async def test_none_left_or_too_many(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    ips = await ips_of(cloud)
    monkeypatch.setattr("bluelobster.ips.assign.MOST_CARDS", 2)
    await ips.assigned()
    assert (await ips.refused("POST"))[:2] == (400, "ip_limit_reached")
    monkeypatch.setattr("bluelobster.ips.assign.MOST_CARDS", 4)
    async with transaction(cloud.parts.pool) as tx:
        await tx.execute("delete from addresses where instance_id is null")
    assert (await ips.refused("POST"))[:2] == (400, "no_available_ips")
    assert await ips.open_periods() == 1


async def test_a_price_holds_from_the_request_on(cloud: TestCloud) -> None:
    ips = await ips_of(cloud)
    await ips.assigned()
    async with transaction(cloud.parts.pool) as tx:
        await set_price(tx, "ip_address_month", 450, cloud.parts.clock.now())
    await ips.assigned()
    assert [each["price_cents_per_month"] for each in await ips.listed()] == [0, 300, 450]
    prices = "select array_agg(price_cents_per_month order by began_at) from address_usage_periods"
    assert await cloud.one(prices) == [300, 450]


async def test_the_primary_s_network_comes_first(cloud: TestCloud) -> None:
    ips = await ips_of(cloud)
    async with transaction(cloud.parts.pool) as tx:
        await tx.execute(
            "insert into address_pools (id, region, network, gateway) values (gen_random_uuid(), 'us-east-1', %s, %s)",
            ("127.63.0.0/24", "127.63.0.1"),
        )
        await tx.execute(
            "insert into addresses (address, pool_id) select %s, id from address_pools where network = %s",
            ("127.63.0.10", "127.63.0.0/24"),
        )
    assert await ips.assigned() == "127.64.0.11"
    async with transaction(cloud.parts.pool) as tx:
        await tx.execute("delete from addresses where instance_id is null and address <> '127.63.0.10'")
    assert await ips.assigned() == "127.63.0.10"
    assert (await ips.listed())[2]["gateway"] == "127.63.0.1"


async def test_a_failed_assignment_leaves_nothing(cloud: TestCloud) -> None:
    ips = await ips_of(cloud)
    cloud.node.faults.add(Fault("error", "PUT", "/config$", times=3, message="no space left"))
    answer = await ips.assign()
    task = await cloud.ended(answer["task_id"])
    assert task["status"] == "FAILED"
    assert task["message"].startswith("Failed to assign IP address")
    assert len(await ips.listed()) == 1
    assert "net1" not in ips.config
    assert ips.may_send(0) == ("127.64.0.10",)
    assert await cloud.one("select count(*) from address_usage_periods") == 0


async def test_a_guest_that_holds_on_keeps_the_address(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluelobster.ips.card.UNPLUG_SECONDS", 0.2)
    ips = await ips_of(cloud)
    address = await ips.assigned()
    cloud.hypervisor.behaviour.lets_go_of_cards = False
    task = await ips.release(address)
    assert task["status"] == "FAILED"
    assert "shut it down and try again" in task["message"]
    assert len(await ips.listed()) == 2
    assert await ips.open_periods() == 1
    assert cloud.node.node.vms.get(ips.vmid).deleted == set()
    stop = await cloud.customer.post(f"/instances/{ips.instance_id}/force-shutdown")
    await cloud.completed(stop.json()["task_id"])
    assert (await ips.release(address))["status"] == "COMPLETED"
    assert await ips.open_periods() == 0


async def test_a_guest_that_does_not_follow_has_it_later(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluelobster.ips.card.GUEST_SECONDS", 0.2)
    ips = await ips_of(cloud)
    cloud.hypervisor.behaviour.agent_answers = False
    answer = await ips.assign()
    assert "after its next power cycle" in (await cloud.completed(answer["task_id"]))["message"]


async def test_a_card_s_address_is_derived(cloud: TestCloud) -> None:
    ips = await ips_of(cloud)
    await ips.assigned()
    instance = await cloud.one("select id from instances")
    assert [each["mac_address"] for each in await ips.listed()] == [mac_for(instance, 0), mac_for(instance, 1)]
