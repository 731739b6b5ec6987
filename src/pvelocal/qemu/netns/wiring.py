"""Connects the cards of a node's guests inside its namespace, and lets their firewalls act there."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path

from pvelocal.firewall import Firewall
from pvelocal.hypervisor import Nic
from pvelocal.published import SSH, published
from pvelocal.qemu.monitor import Monitor
from pvelocal.qemu.netns.addresses import NAME_SERVER, inside
from pvelocal.qemu.netns.forwarder import Door, Forwarder
from pvelocal.qemu.netns.outside import DEVICE, Outside
from pvelocal.qemu.netns.ruleset import Card, Guarded, ruleset
from pvelocal.qemu.netns.space import Space
from pvelocal.qemu.network import host_address


class Namespace:
    """Implements `pvelocal.qemu.wiring.Wiring`."""

    def __init__(self, directory: Path, ssh_port: int) -> None:
        self._space = Space(directory)
        self.ssh_port = ssh_port
        self._outside = Outside()
        self._forwarder: Forwarder | None = None
        self._nics: dict[int, tuple[Nic, ...]] = {}
        self._firewalls: dict[int, Firewall | None] = {}
        self._changing = asyncio.Lock()
        # Guests that were found again, whose rules in force must not be replaced before theirs are known.
        self._unheard: set[int] = set()

    @property
    def exists(self) -> bool:
        """Whether a node before this one left it, for guests that run on."""
        return self._space.exists

    @property
    def prefix(self) -> Sequence[str]:
        """QEMU runs inside, where it finds its devices."""
        return self._space.prefix

    def netdev(self, vmid: int, nic: Nic) -> str:
        """A device that is there already."""
        return f"tap,id=net{nic.index},ifname={Card(vmid, nic).device},script=no,downscript=no"

    def guest_nics(self, nics: Sequence[Nic]) -> Sequence[Nic]:
        """With their addresses in the namespace; only the first has a gateway."""
        found: list[Nic] = []
        for nic in nics:
            if host_address(nic) is None:
                found.append(nic)
                continue
            outer = ip_interface(str(nic.address))
            first = nic.gateway is not None and not any(other.gateway for other in found if other.tag is None)
            gateway = str(inside(ip_interface(str(nic.gateway)).ip)) if first else None  # type: ignore[arg-type]
            found.append(replace(nic, address=f"{Card(0, nic).address}/{outer.network.prefixlen}", gateway=gateway))
        return found

    def guest_nameservers(self, nics: Sequence[Nic]) -> Sequence[str]:
        """That of slirp4netns, which asks the host's."""
        return (str(NAME_SERVER),) if any(host_address(nic) for nic in nics) else ()

    async def open(self, running: Mapping[int, Sequence[Nic]]) -> None:
        """Make the namespace, or find the one again in which guests still run; HypervisorError where neither can be."""
        if self._space.exists and not running:
            await self._space.remove()
        if not self._space.exists:
            await self._space.make()
        self._forwarder = Forwarder(self._space)
        await self._outside.open(self._space)
        await self._forwarder.begin()
        for vmid, nics in running.items():
            self._nics[vmid] = wired(nics)
        self._unheard = set(running)
        if not running:
            await self._load()

    async def close(self, *, keep: bool) -> None:
        """Remove everything, unless guests stay in it."""
        if self._forwarder is not None:
            await self._forwarder.close()
        await self._outside.close()
        if not keep and self._space.exists:
            await self._space.remove()

    async def connect(self, vmid: int, nics: Sequence[Nic], firewall: Firewall | None) -> None:
        """Devices and routes, behind a firewall that is there before them."""
        async with self._changing:
            others = tuple(nic for nic in self._nics.get(vmid, ()) if nic.index not in {new.index for new in nics})
            self._nics[vmid] = (*others, *wired(nics))
            self._firewalls[vmid] = firewall
            await self._load()
            there = await self._space.devices()
            for card in (Card(vmid, nic) for nic in wired(nics)):
                await self._add(card, again=card.device in there)

    async def _add(self, card: Card, *, again: bool) -> None:
        if again:
            await self._space.ip(f"link delete {card.device}")
        await self._space.ip(f"tuntap add dev {card.device} mode tap", f"link set {card.device} up")
        await self._space.tune(
            {f"net/ipv4/conf/{card.device}/proxy_arp": 1, f"net/ipv4/neigh/{card.device}/proxy_delay": 0}
        )
        if card.nic.gateway is not None:
            gateway = inside(ip_interface(card.nic.gateway).ip)  # type: ignore[arg-type]
            await self._space.ip(f"address replace {gateway}/32 dev lo")
        if card.address is not None:
            await self._space.ip(f"route replace {card.address}/32 dev {card.device}")

    async def apply(self, vmid: int, nics: Sequence[Nic], firewall: Firewall | None, monitor: Monitor) -> None:
        """New rules for the guest, and doors to its published ports."""
        del monitor
        async with self._changing:
            self._nics[vmid] = wired(nics)
            self._firewalls[vmid] = firewall
            self._unheard.discard(vmid)
            await self._load()
            await self._set_doors()

    async def disconnect(self, vmid: int, nics: Sequence[Nic]) -> None:
        """Remove devices, with them the routes, and the doors."""
        gone = {nic.index for nic in nics}
        async with self._changing:
            left = tuple(nic for nic in self._nics.get(vmid, ()) if nic.index not in gone)
            self._nics[vmid] = left
            if not left:
                self._nics.pop(vmid)
                self._firewalls.pop(vmid, None)
                self._unheard.discard(vmid)
            await self._set_doors()
            there = await self._space.devices()
            for card in (Card(vmid, nic) for nic in wired(nics)):
                if card.device in there:
                    await self._space.ip(f"link delete {card.device}")
            await self._load()

    def limitations(self, firewall: Firewall) -> Sequence[str]:
        """Everything is kept."""
        del firewall
        return ()

    async def _load(self) -> None:
        if self._unheard:
            return
        guests = [
            Guarded(vmid, tuple(Card(vmid, nic) for nic in nics), firewall)
            for vmid, nics in sorted(self._nics.items())
            if (firewall := self._firewalls.get(vmid)) is not None
        ]
        await self._space.load(ruleset(guests, DEVICE))

    async def _set_doors(self) -> None:
        if self._forwarder is None:
            return
        wanted = {
            door: target for vmid, nics in self._nics.items() for nic in nics for door, target in self._doors(vmid, nic)
        }
        for door in self._forwarder.doors - wanted.keys():
            await self._forwarder.shut(door)
        for door in wanted.keys() - self._forwarder.doors:
            await self._forwarder.open(door, wanted[door])

    def _doors(self, vmid: int, nic: Nic) -> list[tuple[Door, Door]]:
        outer, card = host_address(nic), Card(vmid, nic)
        if outer is None or card.address is None:
            return []
        acting = self._firewalls.get(vmid) if nic.firewall else None
        ports = [port.number for port in published(acting) if port.proto == "tcp"]
        first = {SSH: self.ssh_port}
        doors = {(outer, first.get(number, number)): (str(card.address), number) for number in reversed(ports)}
        return list(doors.items())


def wired(nics: Sequence[Nic]) -> tuple[Nic, ...]:
    """Those that are not on a network inside the machine."""
    return tuple(nic for nic in nics if nic.tag is None)
