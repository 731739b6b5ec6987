"""The firewalls of all guests as one nftables ruleset, which replaces the one before as a whole.

What leaves a guest passes its filter of senders, then its rules for `out`; what reaches one, its rules for `in`. A
packet from guest to guest passes both.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_interface

from pvelocal.firewall import Firewall, Rule
from pvelocal.hypervisor import Nic
from pvelocal.qemu.netns.addresses import inside, networks_inside

TABLE = "guests"
_ACTIONS = {"in": {"ACCEPT": "accept"}, "out": {"ACCEPT": "return"}}
_PROTOCOLS = {
    "icmp": "icmp", "ipv6-icmp": "ipv6-icmp", "icmpv6": "ipv6-icmp", "tcp": "tcp", "udp": "udp", "sctp": "sctp",
    "igmp": "2", "gre": "47", "esp": "esp", "ah": "ah", "udplite": "udplite", "dccp": "dccp",
}  # fmt: skip
_WITH_PORTS = ("tcp", "udp", "sctp", "udplite", "dccp")


@dataclass(frozen=True)
class Card:
    """A guest's card in the namespace."""

    vmid: int
    nic: Nic

    @property
    def device(self) -> str:
        """Its tap device, named as Proxmox VE names it."""
        return f"tap{self.vmid}i{self.nic.index}"

    @property
    def address(self) -> IPv4Address | None:
        """Its address in the namespace, if it has one of its own."""
        if self.nic.address is None or self.nic.address == "dhcp":
            return None
        found = ip_interface(self.nic.address).ip
        return inside(found) if isinstance(found, IPv4Address) else None


@dataclass(frozen=True)
class Guarded:
    """A guest with its cards and the firewall that acts on those that ask for it."""

    vmid: int
    cards: tuple[Card, ...]
    firewall: Firewall

    @property
    def guarded(self) -> list[Card]:
        return [card for card in self.cards if card.nic.firewall]


def ruleset(guests: Sequence[Guarded], outside: str) -> str:
    """All of it, for `nft -f`. `outside` is the device that leads out of the namespace."""
    cards = [(guest, card) for guest in guests for card in guest.guarded]
    senders = {card.device: f"jump from_{card.device}" for _, card in cards}
    leaving = {card.device: f"jump out_{guest.vmid}" for guest, card in cards}
    coming = {card.device: f"goto in_{guest.vmid}" for guest, card in cards}
    known = ["ct state established,related accept", "ct state invalid drop"]
    chains = [
        _chain("senders", _map("iifname", senders), "type filter hook prerouting priority raw; policy accept;"),
        _chain(
            "passing",
            [*known, *_map("iifname", leaving), *_map("oifname", coming)],
            "type filter hook forward priority filter; policy accept;",
        ),
        _chain(
            "to_host", [*known, *_map("iifname", leaving)], "type filter hook input priority filter; policy accept;"
        ),
        _chain(
            "from_host", [*known, *_map("oifname", coming)], "type filter hook output priority filter; policy accept;"
        ),
        _chain(
            "outside", [f'oifname "{outside}" masquerade'], "type nat hook postrouting priority srcnat; policy accept;"
        ),
        *(_chain(f"from_{card.device}", _sender_filter(guest.firewall, card)) for guest, card in cards),
        *(
            _chain(f"{way}_{guest.vmid}", _rules(guest, way))
            for guest in guests
            if guest.guarded
            for way in ("in", "out")
        ),
    ]
    # Called functions first: nft reads from top to bottom.
    body = "\n".join(reversed(chains))
    return f"table inet {TABLE} {{}}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{body}\n}}\n"


def _chain(name: str, lines: Iterable[str], head: str = "") -> str:
    return "\n".join([f"  chain {name} {{", *(f"    {line}" for line in (head, *lines) if line), "  }"])


def _map(key: str, verdicts: dict[str, str]) -> list[str]:
    entries = ", ".join(f'"{device}" : {verdict}' for device, verdict in verdicts.items())
    return [f"{key} vmap {{ {entries} }}"] if entries else []


def _sender_filter(firewall: Firewall, card: Card) -> Iterator[str]:
    if firewall.mac_filter:
        yield f"ether saddr != {card.nic.mac.lower()} drop"
    addresses = firewall.own_addresses(card.nic.index)
    if addresses is None:
        return
    own = [network for address in addresses for network in networks_inside(address)]
    ipv4 = [network for network in own if ":" not in network]
    ipv6 = [network for network in own if ":" in network]
    yield f"ip saddr != {_set(ipv4)} drop" if ipv4 else "meta nfproto ipv4 drop"
    yield f"ip6 saddr != {_set(ipv6)} drop" if ipv6 else "meta nfproto ipv6 drop"


def _rules(guest: Guarded, way: str) -> Iterator[str]:
    for rule in guest.firewall.acting(way):
        match = _match(rule, way, guest.cards)
        if match is not None:
            for verdict in _verdicts(rule.action, way):
                yield f"{match} {verdict}".strip()
    yield from _verdicts(guest.firewall.policy(way), way)


def _verdicts(action: str, way: str) -> list[str]:
    if action == "REJECT":
        return ["meta l4proto tcp reject with tcp reset", "reject with icmpx type port-unreachable"]
    return [_ACTIONS[way].get(action, "drop")]


def _match(rule: Rule, way: str, cards: Sequence[Card]) -> str | None:
    """What a rule looks at; None for one that can match nothing."""
    words: list[str] = []
    if rule.iface is not None:
        device = next((card.device for card in cards if rule.iface == f"net{card.nic.index}"), None)
        if device is None:
            return None
        words.append(f'{"oifname" if way == "in" else "iifname"} "{device}"')
    for end, text in (("saddr", rule.source), ("daddr", rule.dest)):
        if text is not None:
            networks = networks_inside(text)
            words.append(f"{'ip6' if ':' in text else 'ip'} {end} {_set(networks)}")
    if rule.proto is not None:
        words.append(f"meta l4proto {_PROTOCOLS.get(rule.proto, rule.proto)}")
    for end, ports in (("sport", rule.sport), ("dport", rule.dport)):
        if ports is not None and rule.proto in _WITH_PORTS:
            words.append(f"{rule.proto} {end} {{ {', '.join(_port_ranges(ports))} }}")
    if rule.icmp_type is not None and rule.proto == "icmp":
        words.append(f"icmp type {rule.icmp_type}")
    return " ".join(words)


def _set(networks: Sequence[str]) -> str:
    return f"{{ {', '.join(networks)} }}"


def _port_ranges(text: str) -> list[str]:
    """Ranges that do not overlap: nft refuses those that do."""
    ranges: list[tuple[int, int]] = []
    for low, high in sorted(_ends(part) for part in text.split(",")):
        if ranges and low <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(high, ranges[-1][1]))
        else:
            ranges.append((low, high))
    return [str(low) if low == high else f"{low}-{high}" for low, high in ranges]


def _ends(part: str) -> tuple[int, int]:
    low, colon, high = part.partition(":")
    return int(low), int(high if colon else low)
