"""A rule as it is asked for, checked before the hypervisor sees it."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import Field

from bluelobster.firewall.addresses import checked_addresses
from bluelobster.firewall.marks import RESERVED
from bluelobster.firewall.ports import checked_ports
from bluelobster.http.errors import InvalidRequest
from bluelobster.http.text import RequestBody

T = TypeVar("T")

DIRECTIONS = ("in", "out")
ACTIONS = ("ACCEPT", "DROP", "REJECT")
WITH_PORTS = ("tcp", "udp")
PROTOCOLS = (*WITH_PORTS, "icmp", "ipv6-icmp", "igmp", "gre", "esp", "ah", "sctp")
VERSION_OF = {"icmp": 4, "igmp": 4, "ipv6-icmp": 6}
LONGEST_COMMENT = 256


class FirewallRule(RequestBody):
    """A rule. The first one that matches a packet decides; the policy does where none matches."""

    type: str = Field(description="Direction: `in` or `out`")
    action: str = Field(description="`ACCEPT`, `DROP` (silently) or `REJECT` (with an answer)")
    source: str | None = Field(None, description="Where packets come from: an address, a network, a list, or a range")
    dest: str | None = Field(None, description="Where packets go: an address, a network, a list, or a range")
    proto: str | None = Field(None, description="`tcp`, `udp`, `icmp` …; `tcp` for a rule with ports and no protocol")
    dport: str | None = Field(None, description="Destination ports: `22`, `8000:9000` or `80,443`")
    sport: str | None = Field(None, description="Source ports, in the same forms")
    comment: str | None = Field(None, description="Your own words, on one line of at most 256 characters")
    enable: int | None = Field(1, description="1 for a rule that acts, 0 for one that is only kept")


def checked_rule(wanted: FirewallRule) -> dict[str, str | int]:
    """The rule in the hypervisor's words, without what was left out. Raises InvalidRequest `invalid_rule` for one that
    cannot work; the message names the field, what is wrong with it, and what would be right."""
    rule: dict[str, str | int] = {
        "type": _one_of("type", wanted.type, DIRECTIONS),
        "action": _one_of("action", wanted.action, ACTIONS),
        "enable": _enable(wanted.enable),
    }
    for name in ("dport", "sport"):
        ports = getattr(wanted, name)
        if ports is not None:
            rule[name] = _checked(name, checked_ports, ports)
    rule |= _protocol(wanted.proto, "dport" in rule or "sport" in rule)
    rule |= _addresses(wanted, rule.get("proto"))
    if wanted.comment is not None:
        rule["comment"] = _checked("comment", checked_comment, wanted.comment)
    return rule


def checked_comment(text: str) -> str:
    """The comment without white space at its ends; ValueError when it does not fit on one line."""
    comment = text.strip()
    if "\n" in comment or "\r" in comment:
        raise ValueError("has more than one line; join them")
    if len(comment) > LONGEST_COMMENT:
        raise ValueError(f"has {len(comment)} characters; at most {LONGEST_COMMENT} are kept")
    if comment.startswith(RESERVED):
        raise ValueError(f"must not begin with {RESERVED!r}, which marks rules of the service's own")
    return comment


def _protocol(proto: str | None, has_ports: bool) -> dict[str, str]:
    if proto is None:
        return {"proto": "tcp"} if has_ports else {}
    _one_of("proto", proto, PROTOCOLS)
    if has_ports and proto not in WITH_PORTS:
        raise invalid("proto", f"{proto} has no ports; leave dport and sport out, or use tcp or udp")
    return {"proto": proto}


def _addresses(wanted: FirewallRule, proto: str | int | None) -> dict[str, str]:
    found: dict[str, str] = {}
    version = VERSION_OF.get(str(proto))
    for name in ("source", "dest"):
        text = getattr(wanted, name)
        if text is None:
            continue
        found[name], own = _checked(name, checked_addresses, text)
        if version not in (None, own):
            what = "the other address" if proto is None or str(proto) not in VERSION_OF else f"protocol {proto}"
            raise invalid(name, f"is IPv{own}, but {what} is IPv{version}: no packet is both")
        version = own
    return found


def _enable(value: int | None) -> int:
    if value not in (None, 0, 1):
        raise invalid("enable", "must be 1 (the rule acts) or 0 (it is only kept)")
    return 1 if value is None else value


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value in choices:
        return value
    near = next((f"; write {choice}" for choice in choices if choice.lower() == value.strip().lower()), "")
    raise invalid(name, f"must be one of {', '.join(choices)}, not {value[:32]!a}{near}")


def _checked(name: str, check: Callable[[str], T], text: str) -> T:
    try:
        return check(text)
    except ValueError as error:
        raise invalid(name, str(error)) from None


def invalid(field: str, why: str) -> InvalidRequest:
    """The refusal of a rule because of one field."""
    return InvalidRequest("invalid_rule", f"{field}: {why}", field=field)
