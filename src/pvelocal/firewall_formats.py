"""What the parts of a firewall rule may look like, with the sentences Proxmox VE refuses them with."""

import re
from ipaddress import ip_address, ip_network

_PORT = re.compile(r"\d{1,5}")
_MAX_PORT = 65535
_MAX_PORTS = 15
_RANGE = re.compile(r"([0-9a-fA-F.:]+)-([0-9a-fA-F.:]+)")

PROTOCOLS = frozenset(
    [
        "ah",
        "dccp",
        "egp",
        "eigrp",
        "encap",
        "esp",
        "etherip",
        "fc",
        "ggp",
        "gre",
        "hip",
        "hmp",
        "icmp",
        "idpr-cmtp",
        "idrp",
        "igmp",
        "igp",
        "ip",
        "ipcomp",
        "ipencap",
        "ipip",
        "ipv6",
        "ipv6-frag",
        "ipv6-icmp",
        "icmpv6",
        "ipv6-nonxt",
        "ipv6-opts",
        "ipv6-route",
        "isis",
        "iso-tp4",
        "l2tp",
        "manet",
        "mobility-header",
        "mpls-in-ip",
        "ospf",
        "pim",
        "pup",
        "rdp",
        "rohc",
        "rspf",
        "rsvp",
        "sctp",
        "shim6",
        "skip",
        "st",
        "tcp",
        "udp",
        "udplite",
        "vmtp",
        "vrrp",
        "wesp",
        "xns-idp",
        "xtp",
    ]
)
"""The names in Debian's /etc/protocols."""


def check_protocol(value: str) -> None:
    """A protocol by name or number."""
    if value not in PROTOCOLS and not (value.isdecimal() and int(value) <= 255):
        raise ValueError(f"unknown protocol '{value}'\n")


def check_ports(value: str) -> None:
    """Ports and ranges `low:high`, separated by commas."""
    parts = value.split(",")
    count = 0
    for part in parts:
        low, colon, high = part.partition(":")
        for port in (low, high) if colon else (low,):
            if _PORT.fullmatch(port) is None or int(port) > _MAX_PORT:
                raise ValueError(f"invalid port '{port}'\n")
        if colon and int(low) > int(high):
            raise ValueError(f"backwards range '{part}' not allowed, did you mean '{high}:{low}'?\n")
        count += 2 if colon else 1
    if count > _MAX_PORTS:
        raise ValueError("too many entries in port list (> 15 numbers)\n")


def check_addresses(value: str) -> None:
    """Addresses and networks separated by commas, or a single range."""
    parts = value.split(",")
    for part in parts:
        found = _RANGE.fullmatch(part)
        if found is None:
            check_network(part)
        elif len(parts) > 1:
            raise ValueError("you can't use a range in a list\n")
        else:
            _check_range(found[1], found[2])
    if len({":" in part for part in parts}) > 1:
        raise ValueError("detected mixed ipv4/ipv6 addresses in address list\n")


def _check_range(first: str, last: str) -> None:
    for end in (first, last):
        check_network(end)
    low, high = ip_address(first), ip_address(last)
    if low.version != high.version or int(low) > int(high):
        raise ValueError(f"invalid IP range: {first}-{last}\n")


def check_network(value: str) -> None:
    """An address, or a network in CIDR notation."""
    for number in value.partition("/")[0].split(".") if "." in value else ():
        if number.isdecimal() and int(number) > 255:
            raise ValueError(f"invalid IP address: Invalid quad in IP address {value} - {number}\n")
    try:
        ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"invalid IP address: {value}\n") from None


def check_icmp_type(value: str) -> None:
    """A type by name or number."""
    if re.fullmatch(r"[a-z0-9-]+(?:/\d+)?", value) is None:
        raise ValueError(f"unknown icmp-type '{value}'\n")
