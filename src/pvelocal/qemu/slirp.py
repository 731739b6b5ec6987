"""QEMU's own network for each card: needs no rights, and filters nothing but which ports lead to the guest."""

import logging
import re
from collections.abc import Mapping, Sequence

from pvelocal.firewall import Firewall
from pvelocal.hypervisor import HypervisorError, Nic
from pvelocal.published import SSH, Port, admits, limitations, published
from pvelocal.qemu.monitor import Monitor
from pvelocal.qemu.network import guest_nameservers, guest_nics, host_address, inner_address, netdev

CLIENT = "127.0.0.1"
_FORWARD = re.compile(r"(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+([\d.]+)\s+(\d+)\s+[\d.]+\s+(\d+)")
_logger = logging.getLogger(__name__)


class Slirp:
    """Implements `pvelocal.qemu.wiring.Wiring`."""

    prefix: Sequence[str] = ()

    def __init__(self, ssh_port: int) -> None:
        self.ssh_port = ssh_port

    def netdev(self, vmid: int, nic: Nic) -> str:
        """A user-mode network that leads to the guest's SSH server."""
        del vmid
        return netdev(nic, self.ssh_port)

    def guest_nics(self, nics: Sequence[Nic]) -> Sequence[Nic]:
        """With the addresses of user-mode networks."""
        return guest_nics(nics)

    def guest_nameservers(self, nics: Sequence[Nic]) -> Sequence[str]:
        """The resolver of the first one."""
        return guest_nameservers(nics)

    async def open(self, running: Mapping[int, Sequence[Nic]]) -> None:
        """Nothing: each QEMU has its own."""

    async def close(self, *, keep: bool) -> None:
        """Nothing: they end with their QEMU."""

    async def connect(self, vmid: int, nics: Sequence[Nic], firewall: Firewall | None) -> None:
        """Nothing: QEMU makes it."""

    async def disconnect(self, vmid: int, nics: Sequence[Nic]) -> None:
        """Nothing: it goes with the card."""

    async def apply(self, vmid: int, nics: Sequence[Nic], firewall: Firewall | None, monitor: Monitor) -> None:
        """Lead the ports to the guest that the firewall lets this machine reach, and no others."""
        for nic in nics:
            address = host_address(nic)
            if address is not None:
                acting = firewall if nic.firewall else None
                await self._forward(vmid, nic, address, acting, monitor)

    async def _forward(self, vmid: int, nic: Nic, address: str, firewall: Firewall | None, monitor: Monitor) -> None:
        wanted = {
            (port.proto, self._outer(port)): port.number
            for port in published(firewall)
            if admits(firewall, port, CLIENT, address)
        }
        there = forwards(await _say(monitor, "info usernet"), address)
        for proto, outer in there.keys() - wanted.keys():
            await _say(monitor, f"hostfwd_remove net{nic.index} {proto}:{address}:{outer}")
        for (proto, outer), inner in wanted.items():
            if there.get((proto, outer)) != inner:
                forward = f"{proto}:{address}:{outer}-{inner_address(nic)}:{inner}"
                if complaint := await _say(monitor, f"hostfwd_add net{nic.index} {forward}"):
                    _logger.warning("VM %s: port %s of %s leads nowhere: %s", vmid, outer, address, complaint)

    def _outer(self, port: Port) -> int:
        return self.ssh_port if port == Port("tcp", SSH) else port.number

    def limitations(self, firewall: Firewall) -> Sequence[str]:
        """What is not kept."""
        return limitations(firewall)


def forwards(usernet: str, address: str) -> dict[tuple[str, int], int]:
    """The ports that lead from an address of the host to a guest, as QEMU's `info usernet` tells them."""
    return {
        (proto.lower(), int(outer)): int(inner)
        for proto, host, outer, inner in _FORWARD.findall(usernet)
        if host == address
    }


async def _say(monitor: Monitor, line: str) -> str:
    try:
        return str(await monitor.execute("human-monitor-command", command_line=line)).strip()
    except HypervisorError as error:
        return str(error)
