"""Networks inside the machine: cards with the same bridge and VLAN tag reach each other, and nobody else.

Each card is a datagram socket of its QEMU, each network one of the node's, which passes frames on. A guest sends with
the addresses that its card was given, or not at all; what a guest is too slow to take is lost, as on a wire. Without
the node nothing is passed on, and with the next one everything is again: nobody is connected to anybody.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_interface
from pathlib import Path

from pvelocal.hypervisor import Nic

LONGEST_NAME = len("/4094.vmbr999999.lan")
_LARGEST_FRAME = 65536
# So many before the node does something else.
_FRAMES_AT_ONCE = 64
_ARP, _IPV4 = b"\x08\x06", b"\x08\x00"
_SENDER = {_ARP: slice(28, 32), _IPV4: slice(26, 30)}
_MULTICAST = 1


def card_socket(sockets: Path, vmid: int, index: int) -> Path:
    """The socket of a guest's card."""
    return sockets / f"{vmid}i{index}.lan"


def lan_netdev(nic: Nic, sockets: Path, vmid: int) -> str:
    """QEMU's `-netdev` for a card with a tag."""
    ends = (("local", card_socket(sockets, vmid, nic.index)), ("remote", _lan_socket(sockets, nic)))
    words = [f"{end}.type=unix,{end}.path={str(path).replace(',', ',,')}" for end, path in ends]
    return ",".join([f"dgram,id=net{nic.index}", *words])


def _lan_socket(sockets: Path, nic: Nic) -> Path:
    return sockets / f"{nic.tag}.{nic.bridge}.lan"


@dataclass(frozen=True)
class _Member:
    mac: bytes
    address: bytes | None

    @classmethod
    def of(cls, nic: Nic) -> "_Member":
        static = nic.address is not None and nic.address != "dhcp"
        address = ip_interface(str(nic.address)).ip if static else None
        packed = address.packed if isinstance(address, IPv4Address) else None
        return cls(bytes.fromhex(nic.mac.replace(":", "")), packed)

    def may_send(self, frame: bytes) -> bool:
        """Whether a frame says the truth about who sends it."""
        sender = _SENDER.get(frame[12:14])
        return sender is not None and frame[6:12] == self.mac and frame[sender] == self.address


class Lan:
    """One network."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, _Member] = {}
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        asyncio.get_running_loop().add_reader(self._socket, self._pass_on)

    @property
    def is_empty(self) -> bool:
        """Whether no card is on it."""
        return not self._members

    def join(self, path: Path, nic: Nic) -> None:
        """Connect a card."""
        self._members[str(path)] = _Member.of(nic)

    def leave(self, path: Path) -> None:
        """Disconnect a card."""
        self._members.pop(str(path), None)

    def close(self) -> None:
        """Pass nothing on any more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _pass_on(self) -> None:
        for _ in range(_FRAMES_AT_ONCE):
            try:
                frame, sender = self._socket.recvfrom(_LARGEST_FRAME)
            except BlockingIOError:
                return
            member = self._members.get(sender)
            if member is None or not member.may_send(frame):
                continue
            for path, other in self._members.items():
                if path != sender and (frame[0] & _MULTICAST or other.mac == frame[:6]):
                    with contextlib.suppress(OSError):
                        self._socket.sendto(frame, path)


class Lans:
    """All networks of a node, whose sockets lie in one directory."""

    def __init__(self) -> None:
        self._lans: dict[Path, Lan] = {}

    def join(self, sockets: Path, vmid: int, nic: Nic) -> None:
        """Connect a guest's card to its network, if it has one."""
        if nic.tag is None:
            return
        path = _lan_socket(sockets, nic)
        if path not in self._lans:
            self._lans[path] = Lan(path)
        self._lans[path].join(card_socket(sockets, vmid, nic.index), nic)

    def leave(self, sockets: Path, vmid: int, index: int) -> None:
        """Disconnect a guest's card from whatever it is on."""
        own = card_socket(sockets, vmid, index)
        for path, lan in list(self._lans.items()):
            lan.leave(own)
            if lan.is_empty:
                lan.close()
                del self._lans[path]
        own.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of all networks; the cards stay where they are."""
        for lan in self._lans.values():
            lan.close()
        self._lans.clear()
