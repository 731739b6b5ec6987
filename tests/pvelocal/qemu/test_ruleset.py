"""Rules as nftables gets them, and which ports are published."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from pvelocal.firewall import Firewall, IpSet, Rule
from pvelocal.hypervisor import Nic
from pvelocal.published import Port, admits, limitations, published
from pvelocal.qemu.netns.addresses import client_inside, networks_inside
from pvelocal.qemu.netns.ruleset import Card, Guarded, ruleset
from pvelocal.qemu.netns.space import Space
from pvelocal.qemu.slirp import forwards

OPEN: dict[str, str | int | float] = {
    "enable": 1,
    "macfilter": 1,
    "ipfilter": 1,
    "policy_in": "ACCEPT",
    "policy_out": "ACCEPT",
}
SETS = {"ipfilter-net0": IpSet(("127.64.0.10",))}
RULES = (
    Rule("in", "ACCEPT", 1, proto="tcp", dport="22,80:90,85,91", source="127.64.0.0/24,127.64.0.7"),
    Rule("in", "ACCEPT", 1, proto="udp", sport="53"),
    Rule("in", "REJECT", 1, proto="icmp", icmp_type="echo-request"),
    Rule("in", "DROP", 1, source="192.0.2.1-192.0.2.9", dest="0.0.0.0/0"),
    Rule("in", "DROP", 1, source="2001:db8::/32"),
    Rule("in", "DROP", 1, proto="gre", iface="net0"),
    Rule("in", "DROP", 1, iface="net7"),
    Rule("in", "DROP", 0, comment="rests"),
    Rule("out", "ACCEPT", 1, proto="sctp", dport="5000"),
    Rule("out", "REJECT", 1, proto="47"),
)


def guarded(rules: Sequence[Rule] = RULES, *more: Nic, **options: str) -> Guarded:
    cards = (Nic(0, "02:00:00:00:00:01", "vmbr0", "127.64.0.10/24", "127.64.0.1", firewall=True), *more)
    firewall = Firewall({**OPEN, **options}, tuple(rules), SETS)
    return Guarded(101, tuple(Card(101, card) for card in cards), firewall)


def chain(text: str, name: str) -> list[str]:
    body = text.partition(f"chain {name} {{\n")[2].partition("  }\n")[0]
    return [line.strip() for line in body.splitlines()]


def test_rules_in_the_words_of_nftables() -> None:
    text = ruleset([guarded()], "outside")
    assert chain(text, "in_101") == [
        "ip saddr { 100.64.0.0/24 } meta l4proto tcp tcp dport { 22, 80-91 } accept",
        "meta l4proto udp udp sport { 53 } accept",
        "meta l4proto icmp icmp type echo-request meta l4proto tcp reject with tcp reset",
        "meta l4proto icmp icmp type echo-request reject with icmpx type port-unreachable",
        "ip saddr { 192.0.2.1/32, 192.0.2.2/31, 192.0.2.4/30, 192.0.2.8/31 } ip daddr { 0.0.0.0/0 } drop",
        "ip6 saddr { 2001:db8::/32 } drop",
        'oifname "tap101i0" meta l4proto 47 drop',
        "accept",
    ]
    assert chain(text, "out_101")[-1] == "return"
    assert chain(text, "from_tap101i0") == [
        "ether saddr != 02:00:00:00:00:01 drop",
        "ip saddr != { 100.64.0.10/32 } drop",
        "meta nfproto ipv6 drop",
    ]


def test_what_nobody_asked_to_filter_is_not() -> None:
    bare = Nic(1, "02:00:00:00:00:02", "vmbr0", "127.64.0.11/24")
    text = ruleset([guarded((), bare, policy_in="DROP", policy_out="REJECT")], "outside")
    assert "tap101i1" not in text
    assert chain(text, "in_101") == ["drop"]
    assert chain(text, "out_101") == [
        "meta l4proto tcp reject with tcp reset", "reject with icmpx type port-unreachable"
    ]  # fmt: skip
    assert "vmap" not in ruleset([], "outside")


def test_a_card_without_addresses_sends_nothing() -> None:
    other = Nic(1, "02:00:00:00:00:02", "vmbr0", "127.64.0.11/24", firewall=True)
    assert chain(ruleset([guarded((), other)], "outside"), "from_tap101i1") == [
        "ether saddr != 02:00:00:00:00:02 drop", "meta nfproto ipv4 drop", "meta nfproto ipv6 drop"
    ]  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are made by root")
def test_nftables_takes_them(tmp_path: Path) -> None:
    async def load() -> None:
        space = Space(tmp_path)
        await space.make()
        try:
            for rules in (RULES, ()):
                await space.load(ruleset([guarded(rules)], "outside"))
        finally:
            await space.remove()
        assert not space.exists

    asyncio.run(load())


def test_addresses_of_the_host_inside() -> None:
    assert networks_inside("127.0.0.0/8") == ["100.64.0.0/10", "127.0.0.0/8", "198.18.0.0/16"]
    assert networks_inside("127.64.0.9,127.0.0.1,192.0.2.0/24") == ["100.64.0.9/32", "192.0.2.0/24", "198.18.0.1/32"]
    assert (client_inside("127.0.3.4"), client_inside("127.99.0.1")) == ("198.18.3.4", "198.18.255.254")


def wall(*rules: Rule, **options: str) -> Firewall:
    return Firewall({**OPEN, **options}, rules)


def test_published_ports() -> None:
    ssh = Port("tcp", 22)
    assert published(None) == published(wall()) == [ssh]
    web = Rule("in", "ACCEPT", 1, proto="tcp", dport="80,8000:8001")
    assert published(wall(web)) == [ssh, Port("tcp", 80), Port("tcp", 8000), Port("tcp", 8001)]
    assert len(published(wall(Rule("in", "ACCEPT", 1, proto="udp", dport="1:65535")))) == 64
    dropped, resting = Rule("in", "DROP", 1, proto="tcp", dport="80"), Rule("in", "ACCEPT", 0, proto="tcp", dport="81")
    assert published(wall(dropped, resting)) == [ssh]


@pytest.mark.parametrize(
    ("firewall", "open_to_us"),
    [
        (None, True),
        (wall(), True),
        (wall(policy_in="DROP"), False),
        (wall(Rule("in", "ACCEPT", 1, proto="tcp", dport="20:30"), policy_in="DROP"), True),
        (wall(Rule("in", "ACCEPT", 1, proto="tcp", dport="23"), policy_in="DROP"), False),
        (wall(Rule("in", "ACCEPT", 1, proto="udp", dport="22"), policy_in="DROP"), False),
        (wall(Rule("in", "ACCEPT", 1, proto="tcp", sport="22"), policy_in="DROP"), False),
        (wall(Rule("in", "DROP", 1, source="10.0.0.0/8,127.0.0.1")), False),
        (wall(Rule("in", "DROP", 1, source="10.0.0.0-10.0.0.9")), True),
        (wall(Rule("in", "REJECT", 1, source="127.0.0.0-127.0.0.9", dest="127.64.0.10")), False),
        (wall(Rule("in", "DROP", 1, dest="127.64.0.11")), True),
        (wall(Rule("in", "DROP", 0)), True),
    ],
)
def test_whom_a_firewall_admits(firewall: Firewall | None, open_to_us: bool) -> None:
    assert admits(firewall, Port("tcp", 22), "127.0.0.1", "127.64.0.10") is open_to_us


def test_what_is_not_kept_is_said() -> None:
    assert limitations(wall()) == []
    assert [said.partition(":")[0] for said in limitations(wall(policy_in="DROP", policy_out="DROP"))] == [
        "inbound", "outbound"
    ]  # fmt: skip
    assert len(limitations(wall(Rule("in", "ACCEPT", 1, proto="tcp", sport="1")))) == 2


def test_forwards_as_qemu_tells_them() -> None:
    said = """net0: index=0,type=user
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   20       127.64.0.10  2222       10.0.2.15    22     0     0
  TCP[HOST_FORWARD]  12       127.64.0.10  2222       10.0.2.15    22     0     0
  UDP[HOST_FORWARD]  13       127.64.0.11    53       10.0.2.15    53     0     0"""
    assert forwards(said, "127.64.0.10") == {("tcp", 2222): 22}
