"""User-mode networking: which port of the host leads to a guest, and which addresses the guest sees itself with.

QEMU's built-in network (slirp) needs no rights. Each card is a network of its own, 10.0.(2+index).0/24, with the
gateway at .2, a name server at .3 and the guest at .15. Cards with a VLAN tag are on a network inside the machine
instead (`lan.py`).
"""

import contextlib
import errno
import socket
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Interface, ip_interface

from pvelocal.hypervisor import Nic

GUEST_SSH_PORT = 22
_SSH_PORT = 22
_UNPRIVILEGED_SSH_PORT = 2222
# An address of the loopback range that no guest is given.
_PROBE_ADDRESS = "127.255.255.253"


def ssh_port() -> int:
    """The port on a guest's address that leads to its SSH server: 22, or 2222 where 22 cannot be had.

    An ordinary user may not bind it, and a server of the host that listens on every address occupies it.
    """
    return _SSH_PORT if _can_bind(_PROBE_ADDRESS, _SSH_PORT) else _UNPRIVILEGED_SSH_PORT


def netdev(nic: Nic, port: int) -> str:
    """QEMU's `-netdev` for a card."""
    prefix = _prefix(nic)
    options = [f"user,id=net{nic.index}", f"net={prefix}.0/24", f"host={prefix}.2", f"dns={prefix}.3"]
    options += [f"dhcpstart={prefix}.15", "ipv6=off"]
    address = host_address(nic)
    if address is not None:
        options.append(f"hostfwd=tcp:{address}:{port}-{prefix}.15:{GUEST_SSH_PORT}")
    return ",".join(options)


def host_address(nic: Nic) -> str | None:
    """The host's address that stands for a card, if it was given one."""
    if nic.tag is not None or nic.address is None or nic.address == "dhcp":
        return None
    interface = ip_interface(nic.address)
    return str(interface.ip) if isinstance(interface, IPv4Interface) else None


def inner_address(nic: Nic) -> str:
    """The address that a card has inside its user-mode network."""
    return f"{_prefix(nic)}.15"


def taken_addresses(nics: Iterable[Nic], port: int) -> list[str]:
    """Addresses whose port cannot be bound: in use, or not this machine's."""
    addresses = [address for nic in nics if (address := host_address(nic)) is not None]
    return [address for address in addresses if not _can_bind(address, port)]


def guest_nics(nics: Iterable[Nic]) -> tuple[Nic, ...]:
    """The cards as the guest must configure them; only the first has a gateway."""
    inside = []
    for nic in nics:
        if nic.tag is not None or nic.address is None or nic.address == "dhcp":
            inside.append(nic)
            continue
        prefix = _prefix(nic)
        first = not any(other.gateway for other in inside)
        inside.append(replace(nic, address=f"{prefix}.15/24", gateway=f"{prefix}.2" if first else None))
    return tuple(inside)


def guest_nameservers(nics: Iterable[Nic]) -> tuple[str, ...]:
    """The resolver that slirp offers, which asks the host's."""
    return tuple(f"{_prefix(nic)}.3" for nic in nics)[:1]


def _prefix(nic: Nic) -> str:
    return f"10.0.{nic.index + 2}"


def _can_bind(address: str, port: int) -> bool:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            # Binding alone succeeds beside a listener on every address; listening does not.
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                return False
            raise
    return True
