"""The documents that guests are told by, beyond what was recorded."""

from typing import Any
from urllib.parse import quote

import pytest

from pvelocal.cloudinit import render_network, render_user_data
from pvelocal.hypervisor import Nic

VM = "/nodes/px1/qemu/101"
KEYS = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIilqD0mN+wPR065Z7W6wzy9q22EdOaSlXOYolQ4zeu a@x",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIilqD0mN+wPR065Z7W6wzy9q22EdOaSlXOYolQ4zeu b@x y",
]


def nic(index: int, address: str | None, gateway: str | None = None) -> Nic:
    return Nic(index, f"BC:24:11:00:00:0{index}", "vmbr0", address, gateway)


def test_cards_without_address_are_left_out() -> None:
    assert render_network([nic(0, None)], [], None) == "version: 1\nconfig:\n"


def test_network_of_several_cards() -> None:
    nics = [nic(0, "dhcp"), nic(1, "10.0.2.15/22", "10.0.2.2"), nic(2, "2001:db8::5/64", "2001:db8::1")]
    text = render_network(nics, ["10.0.2.3", "1.1.1.1"], "example.org local")
    assert text == (
        "version: 1\n"
        "config:\n"
        "    - type: physical\n      name: eth0\n      mac_address: 'bc:24:11:00:00:00'\n"
        "      subnets:\n      - type: dhcp4\n"
        "    - type: physical\n      name: eth1\n      mac_address: 'bc:24:11:00:00:01'\n"
        "      subnets:\n      - type: static\n        address: '10.0.2.15'\n        netmask: '255.255.252.0'\n"
        "        gateway: '10.0.2.2'\n"
        "    - type: physical\n      name: eth2\n      mac_address: 'bc:24:11:00:00:02'\n"
        "      subnets:\n      - type: static6\n        address: '2001:db8::5/64'\n        gateway: '2001:db8::1'\n"
        "    - type: nameserver\n      address:\n      - '10.0.2.3'\n      - '1.1.1.1'\n"
        "      search:\n      - 'example.org'\n      - 'local'\n"
    )


def test_root_and_domain() -> None:
    text = render_user_data("db.example.org", {"ciuser": "root", "ciupgrade": 0})
    assert text == (
        "#cloud-config\nhostname: db\nmanage_etc_hosts: true\nfqdn: db.example.org\nuser: root\n"
        "disable_root: False\nchpasswd:\n  expire: False\n"
    )


async def test_several_keys(client: Any) -> None:
    await client.create(101, sshkeys=quote("\n".join(KEYS) + "\n", safe=""))
    text = await client.get(f"{VM}/cloudinit/dump", type="user")
    assert f"ssh_authorized_keys:\n  - {KEYS[0]}\n  - {KEYS[1]}\nchpasswd" in text


@pytest.mark.parametrize("keys", ["ssh-ed25519 AAAA x", "ssh-rsa " + KEYS[0].split()[1], KEYS[0] + "\nnonsense"])
async def test_bad_keys(client: Any, keys: str) -> None:
    response = await client.call("POST", "/nodes/px1/qemu", vmid=101, sshkeys=quote(keys, safe=""))
    assert response.json()["message"] == "SSH public key validation error\n"


async def test_keys_may_have_options(client: Any) -> None:
    assert await client.create(101, sshkeys=quote(f'no-pty,command="x" {KEYS[0]}', safe="")) == "OK"


@pytest.mark.parametrize(("system", "hashed"), [("l26", True), ("win11", False)])
async def test_password_by_update(client: Any, system: str, hashed: bool) -> None:
    await client.create(101, ostype=system)
    assert (await client.call("PUT", f"{VM}/config", cipassword="Plain-1")).status_code == 200
    text = await client.get(f"{VM}/cloudinit/dump", type="user")
    assert ("password: $5$" in text) is hashed
    assert ("password: Plain-1" in text) is not hashed
    assert (await client.get(f"{VM}/config"))["cipassword"] == "**********"
    assert (await client.call("PUT", f"{VM}/config", delete="cipassword")).status_code == 200
    assert "password" not in await client.get(f"{VM}/cloudinit/dump", type="user")
    assert not any("Plain-1" in path.read_text() for path in client.running.node.settings.data.glob("vms/*"))


async def test_changes_of_a_running_guest(client: Any) -> None:
    await client.create(101, ciuser="u", nameserver="192.0.2.1")
    await client.power(101, "start")
    await client.call("PUT", f"{VM}/config", ciuser="v", searchdomain="x", cipassword="p", delete="nameserver")
    assert (await client.get(f"{VM}/config", current=1))["ciuser"] == "v"
    entries = {entry.pop("key"): entry for entry in await client.get(f"{VM}/cloudinit")}
    assert entries == {
        "ciuser": {"value": "u", "pending": "v"},
        "searchdomain": {"pending": "x"},
        "cipassword": {"pending": "**********"},
        "nameserver": {"delete": 1},
    }
    assert (await client.call("PUT", f"{VM}/cloudinit")).status_code == 200
    assert {entry.pop("key"): entry for entry in await client.get(f"{VM}/cloudinit")} == {
        "ciuser": {"value": "v"},
        "searchdomain": {"value": "x"},
        "cipassword": {"value": "**********"},
    }
