"""Rules of the firewall: what passes our check is what the hypervisor takes, and a refusal says which field."""

from ipaddress import ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bluelobster.firewall.addresses import checked_addresses
from bluelobster.firewall.ports import checked_ports
from bluelobster.firewall.rule import FirewallRule, checked_rule
from bluelobster.http.errors import InvalidRequest
from pvelocal.errors import ApiError
from pvelocal.qemu.netns.addresses import networks_inside
from pvelocal.verification import verify

CALL = "POST /nodes/{node}/qemu/{vmid}/firewall/rules"

ports = st.integers(1, 65535)
ranges = st.tuples(ports, ports).map(lambda ends: f"{min(ends)}:{max(ends)}")
addresses = st.ip_addresses(v=4).map(str)
networks = st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda n: str(ip_network(n, strict=False)))
loose = st.text("0123456789.:,-/ abcdef%", max_size=24)
anything = {
    "type": st.sampled_from(["in", "out", "IN", "forward", ""]),
    "action": st.sampled_from(["ACCEPT", "DROP", "REJECT", "accept", "LOG"]),
    "source": st.none() | addresses | networks | loose | st.ip_addresses(v=6).map(str),
    "dest": st.none() | addresses | networks | loose,
    "proto": st.none() | st.sampled_from(["tcp", "udp", "icmp", "ipv6-icmp", "gre", "sctp", "TCP", "x"]),
    "dport": st.none() | ports.map(str) | ranges | loose | st.lists(ranges, max_size=10).map(",".join),
    "sport": st.none() | ranges | loose,
    "comment": st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=300),
    "enable": st.none() | st.integers(-1, 2),
}


def taken(wanted: dict[str, Any]) -> dict[str, str | int] | None:
    """The rule, or None where it is refused in words that begin with the field."""
    try:
        return checked_rule(FirewallRule(**wanted))
    except InvalidRequest as error:
        refusal = error
    assert refusal.code == "invalid_rule"
    assert refusal.extra["field"] in wanted
    assert refusal.message.startswith(f"{refusal.extra['field']}: ")
    return None


@given(st.fixed_dictionaries(anything))
def test_what_we_take_the_hypervisor_takes(wanted: dict[str, Any]) -> None:
    rule = taken(wanted)
    if rule is None:
        return
    try:
        verify(CALL, {"node": "px1", "vmid": "100", **{name: str(value) for name, value in rule.items()}})
    except ApiError as error:
        raise AssertionError((rule, error.errors)) from error
    assert rule["enable"] == (1 if wanted["enable"] is None else wanted["enable"])
    assert all(rule[name] == wanted[name] for name in ("type", "action"))
    assert ("dport" not in rule and "sport" not in rule) or rule["proto"] in ("tcp", "udp")


@given(st.lists(ports.map(str) | ranges, min_size=1, max_size=7))
def test_ports_come_back_as_they_went_in(parts: list[str]) -> None:
    assert checked_ports(", ".join(parts)) == ",".join(parts)


@given(st.lists(addresses | networks, min_size=1, max_size=8))
def test_addresses_come_back_as_they_went_in(parts: list[str]) -> None:
    assert checked_addresses(", ".join(parts)) == (",".join(parts), 4)


@given(st.lists(addresses | networks, min_size=1, max_size=8))
def test_a_rule_s_addresses_do_not_overlap_in_the_namespace(parts: list[str]) -> None:
    found = [ip_network(each) for each in networks_inside(",".join(parts))]
    assert not any(one.overlaps(other) for one in found for other in found if one is not other)
