"""The firewall of an instance, from the customer's request to what the hypervisor lets act."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bluelobster.access.keys import create_key
from bluelobster.access.permissions import Role
from bluelobster.db.pool import transaction
from cloud import TestCloud, api_client, eventually
from pvelocal.faults import Fault
from pvelocal.firewall import Firewall

SSH = {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "22", "comment": "SSH access", "enable": 1}
BEGINNING = {"enabled": True, "policy_in": "ACCEPT", "policy_out": "ACCEPT", "rules": []}
OPERATIONS = (
    ("GET", "", None),
    ("PUT", "", {"policy_in": "DROP"}),
    ("POST", "/rules", SSH),
    ("GET", "/rules/0", None),
    ("DELETE", "/rules/0", None),
)


class Wall:
    """An instance's firewall through the API, and on the node."""

    def __init__(self, cloud: TestCloud, instance_id: str, vmid: int) -> None:
        self.cloud = cloud
        self.path = f"/instances/{instance_id}/firewall"
        self.vmid = vmid

    async def ask(self, method: str, path: str = "", json: object = None, status: int = 200) -> Any:
        answer = await self.cloud.customer.request(method, self.path + path, json=json)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def add(self, **changes: Any) -> Any:
        return await self.ask("POST", "/rules", {**SSH, **changes})

    async def comments(self) -> list[str]:
        return [rule["comment"] for rule in (await self.ask("GET"))["rules"]]

    @property
    def acting(self) -> Firewall:
        """What the hypervisor lets act on the guest."""
        found = self.cloud.hypervisor.firewalls[self.vmid]
        assert found is not None
        return found


async def wall_of(cloud: TestCloud, **changes: Any) -> Wall:
    instance_id = await cloud.launched(**changes)
    vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
    return Wall(cloud, instance_id, vmid)


async def test_a_new_instance_is_open_and_cannot_spoof(cloud: TestCloud) -> None:
    wall = await wall_of(cloud)
    assert await wall.ask("GET") == BEGINNING
    acting = wall.acting
    assert acting.options == {
        "enable": 1, "macfilter": 1, "ipfilter": 1, "policy_in": "ACCEPT", "policy_out": "ACCEPT"
    }  # fmt: skip
    address = (await cloud.customer.get(wall.path.removesuffix("/firewall"))).json()["ip_address"]
    assert acting.own_addresses(0) == (address,)
    assert "firewall=1" in str(cloud.node.node.vms.get(wall.vmid).config["net0"])


async def test_rules_come_in_front_and_go_by_position(cloud: TestCloud) -> None:
    wall = await wall_of(cloud)
    added = await wall.add()
    assert added == {"status": "success", "message": "Firewall rule added", "rule": {"pos": 0, **SSH}}
    await wall.add(dport="80,443", comment="web", source="10.0.0.0/8")
    await wall.add(dport="8000:9000", comment="more", enable=0)
    assert await wall.comments() == ["more", "web", "SSH access"]
    assert await wall.ask("GET", "/rules/1") == {
        **SSH, "pos": 1, "dport": "80,443", "comment": "web", "source": "10.0.0.0/8"
    }  # fmt: skip
    assert await wall.ask("DELETE", "/rules/1") == {
        "status": "success", "message": "Firewall rule at position 1 deleted"
    }  # fmt: skip
    assert await wall.comments() == ["more", "SSH access"]
    assert [rule.comment for rule in wall.acting.acting("in")] == ["SSH access"]
    for method, pos in (("GET", 2), ("DELETE", 2), ("GET", -1), ("DELETE", -1)):
        missing = await wall.ask(method, f"/rules/{pos}", status=404)
        assert missing == {"error": "rule_not_found", "message": f"Rule at position {pos} not found"}


async def test_settings_change_one_by_one(cloud: TestCloud) -> None:
    wall = await wall_of(cloud)
    changed = await wall.ask("PUT", json={"policy_in": "DROP"})
    assert changed == {
        "status": "success",
        "message": "Firewall options updated",
        "firewall": {**BEGINNING, "policy_in": "DROP"},
    }
    await wall.ask("PUT", json={"policy_out": "DROP", "policy_in": None})
    assert await wall.ask("PUT", json={}) == {
        **changed, "firewall": {**BEGINNING, "policy_in": "DROP", "policy_out": "DROP"}
    }  # fmt: skip
    refused = await wall.ask("PUT", json={"policy_in": "REJECT"}, status=400)
    assert (refused["error"], refused["message"]) == (
        "invalid_policy",
        "policy_in: must be ACCEPT or DROP, not 'REJECT'",
    )
    assert wall.acting.policy("in") == wall.acting.policy("out") == "DROP"


async def test_off_lets_everything_through_but_spoofing(cloud: TestCloud) -> None:
    wall = await wall_of(cloud)
    await wall.add(action="DROP", comment="first")
    await wall.ask("PUT", json={"policy_in": "DROP", "policy_out": "DROP"})
    off = (await wall.ask("PUT", json={"enable": False}))["firewall"]
    assert (off["enabled"], off["policy_in"], off["policy_out"]) == (False, "DROP", "DROP")
    await wall.add(action="DROP", comment="second")
    await wall.add(action="DROP", comment="kept", enable=0)
    assert await wall.comments() == ["kept", "second", "first"]
    for way in ("in", "out"):
        foremost = wall.acting.acting(way)[0]
        assert foremost.action == "ACCEPT"
        assert (foremost.source, foremost.dest, foremost.proto, foremost.iface) == (None, None, None, None)
    assert wall.acting.own_addresses(0)
    assert wall.acting.mac_filter
    await wall.ask("DELETE", "/rules/2")
    await wall.ask("PUT", json={"enable": False})
    assert len(cloud.node.node.firewalls.get(wall.vmid).rules) == 4
    on = (await wall.ask("PUT", json={"enable": True}))["firewall"]
    assert on == {**off, "enabled": True, "rules": on["rules"]}
    assert [(rule["comment"], rule["enable"]) for rule in on["rules"]] == [("kept", 0), ("second", 1)]
    assert [rule.comment for rule in wall.acting.acting("in")] == ["second"]


async def test_many_at_once_while_off(cloud: TestCloud) -> None:
    wall = await wall_of(cloud)
    await wall.ask("PUT", json={"enable": False})
    await asyncio.gather(*(wall.add(comment=f"rule {number}") for number in range(6)))
    assert sorted(await wall.comments()) == [f"rule {number}" for number in range(6)]
    assert [rule.comment for rule in wall.acting.rules][:2] == ["bluelobster: switched off"] * 2
    assert all(rule["enable"] for rule in (await wall.ask("GET"))["rules"])
    assert (await wall.ask("GET"))["enabled"] is False


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"type": "inbound"}, "type: must be one of in, out, not 'inbound'"),
    ({"action": "accept"}, "action: must be one of ACCEPT, DROP, REJECT, not 'accept'; write ACCEPT"),
    ({"dport": "70000"}, "dport: Invalid port format: must be 1-65535"),
    ({"dport": "ssh"}, "dport: Invalid port format: must be 1-65535"),
    ({"sport": "0"}, "sport: Invalid port format: must be 1-65535"),
    ({"dport": "90:80"}, "dport: the range 90:80 is the wrong way round; write 80:90"),
    ({"dport": ",".join(map(str, range(1, 17)))}, "dport: 16 ports in one list; at most 15 fit"),
    ({"proto": "nosuch"}, "proto: must be one of tcp"),
    ({"proto": "icmp"}, "proto: icmp has no ports"),
    ({"source": "300.1.1.1"}, "source: '300.1.1.1' is no address"),
    ({"source": "10.0.0.1/8"}, "source: 10.0.0.1/8 has bits set behind its prefix; write 10.0.0.0/8"),
    ({"dest": "10.0.0.0/8,192.168.1.1-192.168.1.9"}, "dest: a range cannot be part of a list"),
    ({"source": "10.0.0.9-10.0.0.1"}, "source: the range 10.0.0.9-10.0.0.1 is the wrong way round"),
    ({"source": "10.0.0.1", "dest": "2001:db8::1"}, "dest: is IPv6, but the other address is IPv4"),
    ({"proto": "icmp", "dport": None, "source": "2001:db8::/32"}, "source: is IPv6, but protocol icmp is IPv4"),
    ({"comment": "a\nb"}, "comment: has more than one line"),
    ({"comment": "x" * 257}, "comment: has 257 characters"),
    ({"comment": "bluelobster: switched off"}, "comment: must not begin with"),
    ({"enable": 2}, "enable: must be 1"),
)


@pytest.fixture
async def ready(cloud: TestCloud) -> Wall:
    return await wall_of(cloud)


async def test_rules_that_cannot_work_are_refused(ready: Wall) -> None:
    for changes, message in REFUSED:
        refused = await ready.ask("POST", "/rules", {**SSH, **changes}, status=400)
        assert refused["error"] == "invalid_rule"
        assert refused["message"].startswith(message)
    assert await ready.ask("GET") == BEGINNING


async def test_ports_without_a_protocol_are_tcp(ready: Wall) -> None:
    assert (await ready.ask("POST", "/rules", {"type": "in", "action": "DROP", "dport": "25"}))["rule"][
        "proto"
    ] == "tcp"
    bare = (await ready.ask("POST", "/rules", {"type": "out", "action": "DROP", "source": "192.0.2.1-192.0.2.9"}))[
        "rule"
    ]
    assert bare == {"pos": 0, "type": "out", "action": "DROP", "source": "192.0.2.1-192.0.2.9", "enable": 1}


async def client_with(cloud: TestCloud, role: Role) -> httpx.AsyncClient:
    account = await cloud.one("select account_id from instances")
    async with transaction(cloud.parts.pool) as tx:
        return api_client(cloud.app, await create_key(tx, account, "test", role, cloud.parts.clock.now()))


async def test_viewers_may_not_even_look(ready: Wall) -> None:
    viewer, member = await client_with(ready.cloud, "viewer"), await client_with(ready.cloud, "member")
    await ready.add()
    for method, path, body in OPERATIONS:
        refused = await viewer.request(method, ready.path + path, json=body)
        assert refused.status_code == 403
        assert refused.json() == {
            "error": "forbidden",
            "message": "Your team role 'viewer' cannot manage firewall. Required: owner, admin, or member",
        }
        assert (await member.request(method, ready.path + path, json=body)).status_code == 200


async def test_nobody_else_s(ready: Wall) -> None:
    for method, path, body in OPERATIONS:
        missing = await ready.cloud.stranger.request(method, ready.path + path, json=body)
        instance_id = ready.path.split("/")[2]
        assert missing.status_code == 404
        assert missing.json() == {"error": "instance_not_found", "message": f"Instance {instance_id} not found"}


async def test_an_operation_in_progress_is_no_obstacle(ready: Wall) -> None:
    ready.cloud.node.faults.add(Fault("task-hangs", "POST", "/status/stop$"))
    await ready.cloud.customer.post(f"{ready.path.removesuffix('/firewall')}/power-cycle")
    await ready.add()
    assert await ready.comments() == ["SSH access"]


async def test_while_it_is_made_it_is_as_it_will_begin(idle_cloud: TestCloud) -> None:
    instance_id = (await idle_cloud.launch())["vm_uuid"]
    wall = Wall(idle_cloud, instance_id, 0)
    assert await wall.ask("GET") == BEGINNING
    assert (await wall.ask("GET", "/rules/0", status=404))["error"] == "rule_not_found"
    for method, path, body in OPERATIONS:
        if method != "GET":
            assert (await wall.ask(method, path, body, status=400))["error"] == "invalid_state"


async def test_a_host_that_is_away(ready: Wall) -> None:
    ready.cloud.node.faults.offline = True
    for method, path, body in OPERATIONS:
        assert (await ready.ask(method, path, body, status=503))["error"] == "firewall_unavailable"


async def test_nothing_is_left_of_a_deleted_instance_s_firewall(ready: Wall) -> None:
    await ready.add()
    file = ready.cloud.node.node.settings.data / "firewall" / f"{ready.vmid}.json"
    assert file.exists()
    await ready.cloud.customer.delete(ready.path.removesuffix("/firewall"))
    assert not file.exists()


async def test_a_data_center_s_switch_is_seen(ready: Wall) -> None:
    async def told() -> bool:
        return "limitations" in await ready.ask("GET")

    assert not await told()
    ready.cloud.node.node.settings = switched_off(ready.cloud)
    assert await eventually(told)


def switched_off(cloud: TestCloud) -> Any:
    return replace(cloud.node.node.settings, firewall=False)
