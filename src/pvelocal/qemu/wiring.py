"""How the cards of guests that have no VLAN tag are connected: with QEMU's own network, or in a namespace."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pvelocal.firewall import Firewall
from pvelocal.hypervisor import Nic
from pvelocal.qemu.monitor import Monitor


class Wiring(Protocol):
    """Connects cards. `connect` comes before a guest has the card, `disconnect` when it has it no longer; both may be
    repeated."""

    @property
    def ssh_port(self) -> int:
        """The port of a guest's address on the host that leads to its SSH server."""

    @property
    def prefix(self) -> Sequence[str]:
        """What comes before QEMU's command line."""

    def netdev(self, vmid: int, nic: Nic) -> str:
        """QEMU's `-netdev` for a card."""

    def guest_nics(self, nics: Sequence[Nic]) -> Sequence[Nic]:
        """The cards as the guest must configure them."""

    def guest_nameservers(self, nics: Sequence[Nic]) -> Sequence[str]:
        """The resolver that the guest can reach."""

    async def open(self, running: Mapping[int, Sequence[Nic]]) -> None:
        """Begin, with the cards of guests that were found again."""

    async def close(self, *, keep: bool) -> None:
        """End; with `keep` there are guests that stay."""

    async def connect(self, vmid: int, nics: Sequence[Nic], firewall: Firewall | None) -> None:
        """Make what cards need, with the firewall that acts on them from their first packet."""

    async def apply(self, vmid: int, nics: Sequence[Nic], firewall: Firewall | None, monitor: Monitor) -> None:
        """Let a firewall act on a running guest's cards."""

    async def disconnect(self, vmid: int, nics: Sequence[Nic]) -> None:
        """Remove what cards needed."""

    def limitations(self, firewall: Firewall) -> Sequence[str]:
        """What of a firewall is not kept."""
