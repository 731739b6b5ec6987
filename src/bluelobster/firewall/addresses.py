"""Addresses of a firewall rule: an address, a network in CIDR notation, a list of them, or one range."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

LONGEST = 512
FORMS = "give an address (198.51.100.7), a network (10.0.0.0/8), a list of them, or one range (10.0.0.1-10.0.0.9)"

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def checked_addresses(text: str) -> tuple[str, int]:
    """The addresses without white space, and their IP version; ValueError says what is wrong and what would be
    right."""
    if len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters; add more rules instead")
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and any("-" in part for part in parts):
        raise ValueError("a range cannot be part of a list; give it a rule of its own")
    versions = {_range(part) if "-" in part else _network(part).version for part in parts}
    if len(versions) > 1:
        raise ValueError("IPv4 and IPv6 addresses cannot be mixed; give each kind a rule of its own")
    return ",".join(parts), versions.pop()


def _network(part: str) -> Network:
    if "%" in part or not part.isascii():
        raise _invalid(part)
    try:
        found = ip_network(part, strict=False)
    except ValueError:
        raise _invalid(part) from None
    host, slash, prefix = part.partition("/")
    if slash and not prefix.isdecimal():
        raise ValueError(f"the length of a network is a number; write {found}")
    if slash and ip_address(host) != found.network_address:
        raise ValueError(f"{part} has bits set behind its prefix; write {found} for the network or {host} for the host")
    return found


def _range(part: str) -> int:
    ends: list[Address] = []
    for end in part.split("-"):
        try:
            ends.append(ip_address(end.strip()))
        except ValueError:
            raise _invalid(part) from None
    if len(ends) != 2 or ends[0].version != ends[1].version or " " in part or "%" in part:
        raise _invalid(part)
    if int(ends[0]) > int(ends[1]):
        raise ValueError(f"the range {part} is the wrong way round; write {ends[1]}-{ends[0]}")
    return ends[0].version


def _invalid(part: str) -> ValueError:
    return ValueError(f"{part[:64]!a} is no address; {FORMS}")
