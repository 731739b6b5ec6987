"""The NoCloud documents of a guest, text for text as Proxmox VE 9.2 writes them (its `cloudinit/dump`)."""

import hashlib
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from urllib.parse import unquote

from pvelocal.hypervisor import Nic

_STEP = "    "


def render_user_data(name: str, config: Mapping[str, str | int | float]) -> str:
    """The `#cloud-config` document for a guest called `name`, from the ci* options of its configuration."""
    lines = ["#cloud-config"]
    hostname, _, _ = name.partition(".")
    lines += [f"hostname: {hostname}", "manage_etc_hosts: true", f"fqdn: {name}"]
    user = config.get("ciuser")
    if user is not None:
        lines.append(f"user: {user}")
        if user == "root":
            lines.append("disable_root: False")
    if "cipassword" in config:
        lines.append(f"password: {config['cipassword']}")
    keys = [key for key in unquote(str(config.get("sshkeys", ""))).split("\n") if key.strip()]
    if keys:
        lines.append("ssh_authorized_keys:")
        lines += [f"  - {key}" for key in keys]
    lines += ["chpasswd:", "  expire: False"]
    if user != "root":
        lines += ["users:", "  - default"]
    if config.get("ciupgrade", 1):
        lines.append("package_upgrade: true")
    return "\n".join(lines) + "\n"


def render_network(nics: Sequence[Nic], nameservers: Sequence[str], search_domain: str | None) -> str:
    """The network document, version 1. A NIC without an address is left out, as a NIC without `ipconfigN` is."""
    lines = ["version: 1", "config:"]
    for nic in nics:
        if nic.address is not None:
            lines += _render_nic(nic, nic.address)
    if nameservers or search_domain:
        lines.append(f"{_STEP}- type: nameserver")
        if nameservers:
            lines.append(f"{_STEP}  address:")
            lines += [f"{_STEP}  - '{server}'" for server in nameservers]
        if search_domain:
            lines.append(f"{_STEP}  search:")
            lines += [f"{_STEP}  - '{domain}'" for domain in search_domain.replace(",", " ").split()]
    return "\n".join(lines) + "\n"


def _render_nic(nic: Nic, address: str) -> list[str]:
    lines = [
        f"{_STEP}- type: physical",
        f"{_STEP}  name: eth{nic.index}",
        f"{_STEP}  mac_address: '{nic.mac.lower()}'",
        f"{_STEP}  subnets:",
    ]
    if address == "dhcp":
        return [*lines, f"{_STEP}  - type: dhcp4"]
    interface = ip_interface(address)
    lines += _render_static(interface)
    if nic.gateway is not None:
        lines.append(f"{_STEP}    gateway: '{nic.gateway}'")
    return lines


def _render_static(interface: IPv4Interface | IPv6Interface) -> list[str]:
    if isinstance(interface, IPv6Interface):
        return [f"{_STEP}  - type: static6", f"{_STEP}    address: '{interface.with_prefixlen}'"]
    return [
        f"{_STEP}  - type: static",
        f"{_STEP}    address: '{interface.ip}'",
        f"{_STEP}    netmask: '{interface.netmask}'",
    ]


def render_meta_data(user_data: str, network: str) -> str:
    """The meta-data document: an instance id that changes whenever one of the other documents does."""
    digest = hashlib.sha1((user_data + network).encode(), usedforsecurity=False).hexdigest()
    return f"instance-id: {digest}\n"
