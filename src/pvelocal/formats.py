"""The named formats of parameters, with the sentences Proxmox VE refuses values with."""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address

from pvelocal.firewall_formats import check_addresses, check_icmp_type, check_network, check_ports, check_protocol
from pvelocal.sizes import parse_size

FormatCheck = Callable[[str], None]

_DNS_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?"
_DNS_NAME = re.compile(rf"(?:{_DNS_LABEL}\.)*{_DNS_LABEL}")
_MAC = re.compile(r"[a-f0-9][02468ace](?::[a-f0-9]{2}){5}", re.IGNORECASE)
_URLENCODED = re.compile(r"[-%a-zA-Z0-9_.!~*'()]*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*")
_VOLUME = re.compile(r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]:.+")
_CONFIG_ID = r"[a-zA-Z][a-zA-Z0-9_\-]+"
_LIST_BREAK = re.compile(r"[,;\s\0]+")


def split_list(text: str) -> list[str]:
    """The items of a list, which may be separated by commas, semicolons or white space."""
    return [item for item in _LIST_BREAK.split(text) if item]


def _pattern(expression: str | re.Pattern[str], refusal: str) -> FormatCheck:
    compiled = re.compile(expression)

    def check(value: str) -> None:
        if compiled.fullmatch(value) is None:
            raise ValueError(refusal.replace("%s", value))

    return check


def _each(check: FormatCheck) -> FormatCheck:
    def check_all(value: str) -> None:
        for item in split_list(value):
            check(item)

    return check_all


def _volume(value: str) -> None:
    if _VOLUME.fullmatch(value) is None:
        raise ValueError(f"unable to parse volume ID '{value}'\n")


def _drive_source(value: str) -> None:
    if value not in ("none", "cdrom"):
        _volume(value)


def _volume_or_path(value: str) -> None:
    if not value.startswith("/"):
        _volume(value)


def _disk_size(value: str) -> None:
    try:
        parse_size(value)
    except ValueError:
        raise ValueError("value does not look like a valid disk size\n") from None


def _address(value: str) -> None:
    try:
        ip_address(value)
    except ValueError:
        raise ValueError("value does not look like a valid IP address\n") from None


def _dns_address(value: str) -> None:
    if _DNS_NAME.fullmatch(value) is None:
        try:
            ip_address(value)
        except ValueError:
            raise ValueError("value does not look like a valid IP address or a DNS name\n") from None


def _ipv4(value: str) -> None:
    try:
        IPv4Address(value)
    except ValueError:
        raise ValueError("value does not look like a valid IPv4 address\n") from None


def _ipv6(value: str) -> None:
    try:
        IPv6Address(value)
    except ValueError:
        raise ValueError("value does not look like a valid IPv6 address\n") from None


def _ipv4_config(value: str) -> None:
    if value == "dhcp":
        return
    try:
        valid = "/" in value and IPv4Interface(value).network.prefixlen > 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("value does not look like a valid ipv4 network configuration\n")


def _ipv6_config(value: str) -> None:
    if value in ("dhcp", "auto"):
        return
    try:
        valid = "/" in value and IPv6Interface(value).network.prefixlen > 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("value does not look like a valid ipv6 network configuration\n")


CHECKS: dict[str, FormatCheck] = {
    "IPorCIDRorAlias": check_network,
    "address-list": _each(_dns_address),
    "disk-size": _disk_size,
    "dns-name": _pattern(_DNS_NAME, "value does not look like a valid DNS name\n"),
    "ipv4": _ipv4,
    "ipv4-config": _ipv4_config,
    "ipv6": _ipv6,
    "ipv6-config": _ipv6_config,
    "mac-addr": _pattern(_MAC, "value does not look like a valid unicast MAC address\n"),
    "pve-bridge-id": _pattern(r"[a-zA-Z0-9_.\-]+", "invalid bridge ID '%s'\n"),
    "pve-configid": _pattern(_CONFIG_ID, "invalid configuration ID '%s'\n"),
    "pve-configid-list": _each(_pattern(_CONFIG_ID, "invalid configuration ID '%s'\n")),
    "pve-fw-addr-spec": check_addresses,
    "pve-fw-dport-spec": check_ports,
    "pve-fw-icmp-type-spec": check_icmp_type,
    "pve-fw-protocol-spec": check_protocol,
    "pve-fw-sport-spec": check_ports,
    "pve-node": _pattern(_DNS_LABEL, "value does not look like a valid node name\n"),
    "pve-storage-id": _pattern(r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]", "storage ID '%s' contains illegal characters\n"),
    "pve-tag-list": _each(_pattern(_TAG, "invalid characters in tag\n")),
    "pve-vmid": _pattern(r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID\n"),
    "pve-vmid-list": _each(_pattern(r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID\n")),
    "pve-volume-id": _volume,
    "pve-volume-id-or-absolute-path": _volume_or_path,
    "pve-volume-id-or-qm-path": _drive_source,
    "urlencoded": _pattern(_URLENCODED, "invalid urlencoded string: %s\n"),
}
"""Formats that this node looks at. Those of options it only stores (CPU flags, watchdogs …) are taken as they come."""

STRUCTURES: dict[str, dict[str, dict[str, object]]] = {
    "pve-qm-boot": {
        "legacy": {"type": "string", "optional": True, "default_key": 1, "pattern": "[acdn]{1,4}"},
        "order": {"type": "string", "optional": True},
    },
    "pve-qm-hostpci": {
        "host": {"type": "string", "optional": True, "default_key": 1},
        "mapping": {"type": "string", "optional": True, "format": "pve-configid"},
        "device-id": {"type": "string", "optional": True},
        "driver": {"type": "string", "optional": True, "enum": ["vfio", "keep"]},
        "legacy-igd": {"type": "boolean", "optional": True},
        "mdev": {"type": "string", "optional": True},
        "pcie": {"type": "boolean", "optional": True},
        "rombar": {"type": "boolean", "optional": True},
        "romfile": {"type": "string", "optional": True},
        "sub-device-id": {"type": "string", "optional": True},
        "sub-vendor-id": {"type": "string", "optional": True},
        "vendor-id": {"type": "string", "optional": True},
        "x-vga": {"type": "boolean", "optional": True},
    },
    "pve-qm-ipconfig": {
        "gw": {"type": "string", "optional": True, "format": "ipv4", "requires": "ip"},
        "gw6": {"type": "string", "optional": True, "format": "ipv6", "requires": "ip6"},
        "ip": {"type": "string", "optional": True, "format": "ipv4-config"},
        "ip6": {"type": "string", "optional": True, "format": "ipv6-config"},
    },
    "pve-qm-smbios1": {
        "base64": {"type": "boolean", "optional": True},
        "family": {"type": "string", "optional": True},
        "manufacturer": {"type": "string", "optional": True},
        "product": {"type": "string", "optional": True},
        "serial": {"type": "string", "optional": True},
        "sku": {"type": "string", "optional": True},
        "uuid": {"type": "string", "optional": True, "pattern": "[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}"},
        "version": {"type": "string", "optional": True},
    },
}
"""Formats that are property strings of their own."""
