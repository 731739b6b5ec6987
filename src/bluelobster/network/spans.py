"""Networks and the addresses of them that are to be given, as an operator says them."""

from ipaddress import IPv4Address, IPv4Network

from bluelobster.http.errors import InvalidRequest

LARGEST = 65_536


def wrong(field: str, why: str) -> InvalidRequest:
    return InvalidRequest("invalid_pool", why, field=field)


def network_of(text: str) -> IPv4Network:
    """Raises InvalidRequest, with the network that may have been meant."""
    try:
        net = IPv4Network(text, strict=False)
    except ValueError as error:
        raise wrong("network", str(error)) from None
    if str(net) != text:
        raise wrong("network", f"{text} is not a network; did you mean {net}?")
    return net


def address_of(field: str, text: str) -> IPv4Address:
    """Raises InvalidRequest."""
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise wrong(field, str(error)) from None


def public_addresses(net: IPv4Network, gateway: IPv4Address, first: str | None, last: str | None) -> list[IPv4Address]:
    """All to give but the gateway. Raises InvalidRequest."""
    low, high = _span(net, first, last)
    if not all(each in net for each in (gateway, low, high)) or low > high:
        raise wrong("gateway, first, last", f"gateway, first and last must be in {net}, first before last")
    addresses = [each for each in every(low, high) if each != gateway]
    if not addresses:
        raise wrong("first, last", "there is no address to give besides the gateway's")
    return addresses


def internal_addresses(net: IPv4Network, first: str | None, last: str | None) -> list[IPv4Address]:
    """All to give. Raises InvalidRequest."""
    low, high = _span(net, first, last)
    if not all(each in net for each in (low, high)) or low > high:
        raise wrong("first, last", f"first and last must be in {net}, first before last")
    return every(low, high)


def _span(net: IPv4Network, first: str | None, last: str | None) -> tuple[IPv4Address, IPv4Address]:
    """The first and the last address to give; the whole network where nothing is said."""
    low = address_of("first", first) if first else net.network_address + 1
    high = address_of("last", last) if last else net.broadcast_address - 1
    if int(high) - int(low) >= LARGEST:
        raise wrong("first, last", f"at most {LARGEST} addresses at once; give first and last")
    return low, high


def every(low: IPv4Address, high: IPv4Address) -> list[IPv4Address]:
    return [IPv4Address(number) for number in range(int(low), int(high) + 1)]
