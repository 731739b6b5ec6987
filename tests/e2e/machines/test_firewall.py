"""Rules proved with packets between real guests, whose node has a network namespace of its own."""

import os
import socket
from collections.abc import Iterator

import pytest

from e2e.local_cloud import LocalCloud, eventually
from e2e.machines.guest import CONNECTED, OTHER_PORT, REFUSED, SECONDS, TIMED_OUT, Guest
from pvelocal.qemu.netns.space import Space

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are made by root"),
]
NOBODY = "127.64.250.250"
PATIENCE = 30.0


@pytest.fixture
def pair(cloud: LocalCloud, guests: tuple[Guest, Guest]) -> Iterator[tuple[Guest, Guest]]:
    assert Space(cloud.data / "node" / "run").exists
    yield guests
    for guest in guests:
        guest.open_again()


def test_what_is_allowed_connects_and_the_rest_is_dropped_or_refused(pair: tuple[Guest, Guest]) -> None:
    client, server = pair
    server.add(dport="22")
    server.add()
    server.wall("PUT", json={"policy_in": "DROP"})
    assert (client.reach(server), client.reach(server, OTHER_PORT)) == (CONNECTED, TIMED_OUT)
    server.add(action="REJECT", dport=f"{OTHER_PORT}:9000")
    assert (client.reach(server), client.reach(server, OTHER_PORT)) == (CONNECTED, REFUSED)
    server.wall("PUT", json={"enable": False})
    assert (client.reach(server), client.reach(server, OTHER_PORT)) == (CONNECTED, CONNECTED)
    server.wall("PUT", json={"enable": True})
    server.add(action="DROP", dport=None, source=client.address)
    assert client.reach(server) == TIMED_OUT
    assert server.shell.knocks()
    assert "limitations" not in server.wall("GET")


def test_sources_are_told_apart(pair: tuple[Guest, Guest]) -> None:
    client, server = pair
    server.add(dport="22")
    server.wall("PUT", json={"policy_in": "DROP"})
    server.add(source=NOBODY)
    assert client.reach(server) == TIMED_OUT
    server.add(source=f"{NOBODY},{client.address}")
    assert client.reach(server) == CONNECTED
    server.add(source="127.0.0.1", dport=str(OTHER_PORT))
    assert client.reach(server, OTHER_PORT) == TIMED_OUT
    assert from_host(server, OTHER_PORT, "127.0.0.1") == "hello\n"
    assert from_host(server, OTHER_PORT, "127.0.0.2") == ""


def from_host(guest: Guest, port: int, source: str) -> str:
    """What a client on the host reads from a port of a guest's address."""
    with socket.socket() as client:
        client.settimeout(SECONDS)
        client.bind((source, 0))
        try:
            client.connect((guest.address, port))
            return client.recv(100).decode()
        except OSError:
            return ""


def test_outbound_rules_hold(pair: tuple[Guest, Guest]) -> None:
    client, server = pair
    client.add(type="out", action="REJECT", dest=server.address)
    assert (client.reach(server), client.reach(server, OTHER_PORT)) == (REFUSED, CONNECTED)
    client.add(type="out", dport="1:65535", dest=NOBODY)
    client.wall("PUT", json={"policy_out": "DROP"})
    assert client.reach(server, OTHER_PORT) == TIMED_OUT
    client.add(type="out", dport=str(OTHER_PORT))
    assert client.reach(server, OTHER_PORT) == CONNECTED
    assert server.reach(client) == CONNECTED


def test_the_host_s_ssh_follows_the_rules(pair: tuple[Guest, Guest]) -> None:
    _, server = pair
    server.add(action="REJECT", dport="22")
    assert not server.shell.knocks()
    server.open_again()
    assert server.shell.knocks()


OTHER_ADDRESS = """
ip addr add STRANGER/32 dev eth0
ping -c 3 -W 1 -I STRANGER SERVER
ip addr del STRANGER/32 dev eth0
"""
OTHER_MAC = """
own=$(cat /sys/class/net/eth0/address)
gateway=$(ip route | awk '/default/ { print $3 }')
with_mac() {
    ip link set eth0 down
    ip link set eth0 address $1
    ip link set eth0 up
    ip route add default via $gateway
}
with_mac 02:00:00:00:00:99
ping -c 3 -W 1 SERVER
grep -c 02: /proc/net/arp
with_mac $own
"""


def heard(guest: Guest) -> int:
    """How many ICMP echo requests reached a guest since it was started."""
    words = [line.split() for line in guest.shell.run("grep ^Icmp: /proc/net/snmp").splitlines()]
    return int(dict(zip(words[0], words[1], strict=True))["InEchos"])


def said(guest: Guest, script: str, server: Guest) -> str:
    """What a script says that runs as root in a guest, whose network may be away meanwhile."""
    script = script.replace("SERVER", server.inner).replace("STRANGER", NOBODY.replace("127.", "100.", 1))
    guest.shell.run(f"rm -f said; cat >script <<'END'\n{script}\nEND\n"
                    "sudo sh -c 'sh script >saying 2>&1; mv saying said' >/dev/null 2>&1 &")  # fmt: skip
    return eventually(lambda: guest.shell.attempt("cat said").stdout, PATIENCE)


@pytest.mark.parametrize("enabled", [True, False])
def test_nobody_sends_as_somebody_else(pair: tuple[Guest, Guest], enabled: bool) -> None:
    client, server = pair
    for guest in pair:
        guest.wall("PUT", json={"enable": enabled})
    before = heard(server)
    assert "3 packets received" in said(client, "ping -c 3 -W 5 SERVER", server)
    assert heard(server) == before + 3
    for script in (OTHER_ADDRESS, OTHER_MAC):
        assert "3 packets transmitted, 0 packets received" in said(client, script, server)
        assert heard(server) == before + 3
    assert "1 packets received" in said(client, "ping -c 1 -W 5 SERVER", server)
