"""Cards and cloud-init drives of running guests, through the API."""

from typing import Any

from pvelocal.simulated import SimulatedHypervisor

CONFIG = "/nodes/px1/qemu/101/config"
CARD = {"net1": "virtio=BC:24:11:00:00:09,bridge=vmbr1,firewall=1,tag=7", "ipconfig1": "ip=10.90.0.9/24"}


async def put(client: Any, **options: Any) -> Any:
    return await client.call("PUT", CONFIG, **options)


async def inside(client: Any) -> str:
    return str(await client.get("/nodes/px1/qemu/101/agent/network-get-interfaces"))


async def test_a_card_comes_and_goes_at_once(client: Any) -> None:
    await client.create(101, agent="enabled=1")
    await client.power(101, "start")
    assert (await put(client, **CARD)).status_code == 200
    assert (await client.get(CONFIG, current=1))["net1"] == CARD["net1"]
    pending = {entry["key"]: entry for entry in await client.get("/nodes/px1/qemu/101/pending")}
    assert pending["net1"] == {"key": "net1", "value": CARD["net1"]}
    assert "10.90.0.9" in await inside(client)
    assert (await put(client, delete="net1,ipconfig1")).status_code == 200
    assert "net1" not in await client.get(CONFIG, current=1)
    assert "10.90.0.9" not in await inside(client)


async def test_a_card_that_is_held_waits_for_the_next_start(client: Any, hypervisor: SimulatedHypervisor) -> None:
    await client.create(101, agent="enabled=1")
    await client.power(101, "start")
    await put(client, **CARD)
    hypervisor.behaviour.lets_go_of_cards = False
    refused = await put(client, delete="net1,ipconfig1")
    assert refused.status_code == 400
    assert refused.json()["errors"] == {"net1": "hotplug problem - error on hot-unplugging device 'net1'"}
    assert "net1" in await client.get(CONFIG, current=1)
    assert "net1" not in await client.get(CONFIG)
    await client.power(101, "reboot")
    assert "net1" not in await client.get(CONFIG, current=1)


async def test_the_drive_of_a_running_guest_is_made_anew(client: Any) -> None:
    await client.create(101, agent="enabled=1", ide2="local:cloudinit", ipconfig0="ip=192.0.2.10/24")
    await client.power(101, "start")
    await put(client, ipconfig0="ip=192.0.2.11/24")
    assert "192.0.2.10" in await inside(client)
    assert (await client.call("PUT", "/nodes/px1/qemu/101/cloudinit")).status_code == 200
    assert "192.0.2.11" in await inside(client)
