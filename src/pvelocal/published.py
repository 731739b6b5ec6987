"""Which ports of a guest's address lead to the guest, where each has to be led there by itself.

SSH does, and whatever a rule of the firewall that accepts something names: a port that no rule names is nobody's wish.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network

from pvelocal.firewall import Firewall, Rule

SSH = 22
MOST_PORTS = 64
PROTOCOLS = ("tcp", "udp")


@dataclass(frozen=True, order=True)
class Port:
    """A port of a guest."""

    proto: str
    number: int


def published(firewall: Firewall | None) -> list[Port]:
    """SSH, then the ports that rules which accept something name, at most 64 in all."""
    ports = [Port("tcp", SSH)]
    for rule in firewall.acting("in") if firewall else ():
        if rule.action == "ACCEPT" and rule.proto in PROTOCOLS and rule.dport:
            ports += [Port(rule.proto, number) for number in _numbers(rule.dport)]
    return list(dict.fromkeys(ports))[:MOST_PORTS]


def admits(firewall: Firewall | None, port: Port, source: str, dest: str) -> bool:
    """Whether a firewall accepts what comes from `source` to a port of the guest, which is `dest`."""
    if firewall is None:
        return True
    for rule in firewall.acting("in"):
        if _matches(rule, port, source, dest):
            return rule.action == "ACCEPT"
    return firewall.policy("in") == "ACCEPT"


def _matches(rule: Rule, port: Port, source: str, dest: str) -> bool:
    return (
        rule.proto in (None, port.proto)
        and (rule.dport is None or any(low <= port.number <= high for low, high in _ranges(rule.dport)))
        and rule.sport is None
        and (rule.source is None or _holds(rule.source, source))
        and (rule.dest is None or _holds(rule.dest, dest))
    )


def _holds(text: str, address: str) -> bool:
    found = ip_address(address)
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if dash:
            ends = ip_address(first), ip_address(last)
            if all(isinstance(end, IPv4Address) for end in ends) and int(ends[0]) <= int(found) <= int(ends[1]):
                return True
        elif found in ip_network(part, strict=False):
            return True
    return False


def _ranges(text: str) -> list[tuple[int, int]]:
    ends = [part.partition(":") for part in text.split(",")]
    return [(int(low), int(high if colon else low)) for low, colon, high in ends]


def _numbers(text: str) -> Iterator[int]:
    for low, high in _ranges(text):
        yield from range(low, min(high, low + MOST_PORTS) + 1)


def limitations(firewall: Firewall) -> list[str]:
    """What a network without filtering of its own cannot keep of a firewall; nothing for one that is open."""
    said: list[str] = []
    into, out = firewall.acting("in"), firewall.acting("out")
    if into or firewall.policy("in") != "ACCEPT":
        said.append(
            "inbound: only SSH and ports that an ACCEPT rule names lead to the instance, as far as the rules let "
            "127.0.0.1 reach them; whatever is not let in looks refused, whether by DROP or by REJECT"
        )
    if any(rule.sport for rule in into):
        said.append("inbound: rules with source ports never match")
    if any(rule.action != "ACCEPT" for rule in out) or firewall.policy("out") != "ACCEPT":
        said.append("outbound: nothing that the instance sends is filtered")
    return said
