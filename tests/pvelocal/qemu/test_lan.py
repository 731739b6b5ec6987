"""Networks inside the machine, with sockets in the place of guests."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from pvelocal.hypervisor import Nic
from pvelocal.qemu.lan import Lans, card_socket, lan_netdev

ARP, IPV4, IPV6 = b"\x08\x06", b"\x08\x00", b"\x86\xdd"
EVERYBODY = b"\xff" * 6
SOON = 0.1


class Guest:
    """A card of a guest, as its QEMU would hold it."""

    def __init__(self, sockets: Path, number: int, tag: int = 7, bridge: str = "vmbr1") -> None:
        self.nic = Nic(1, f"BC:24:11:00:00:{number:02X}", bridge, f"10.90.0.{number}/24", tag=tag)
        self.vmid = 100 + number
        self.mac = bytes.fromhex(self.nic.mac.replace(":", ""))
        self.address = IPv4Address(f"10.90.0.{number}").packed
        self._lan = sockets / f"{tag}.{bridge}.lan"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(str(card_socket(sockets, self.vmid, 1)))

    def frame(self, to: bytes, kind: bytes = IPV4, mac: bytes | None = None, address: bytes | None = None) -> bytes:
        head = to + (mac or self.mac) + kind
        return (head + bytes({ARP: 28, IPV4: 26}.get(kind, 22) - len(head)) + (address or self.address)).ljust(60, b"!")

    def send(self, frame: bytes) -> None:
        self.socket.sendto(frame, str(self._lan))

    async def gets(self) -> bytes | None:
        """The next frame; None when none comes."""
        try:
            async with asyncio.timeout(SOON):
                return await asyncio.get_running_loop().sock_recv(self.socket, 65536)
        except TimeoutError:
            return None


class Place:
    """A directory of sockets with the networks in it."""

    def __init__(self, sockets: Path) -> None:
        self.sockets = sockets
        self.lans = Lans()
        self.guests: list[Guest] = []

    def guest(self, number: int, tag: int = 7, bridge: str = "vmbr1") -> Guest:
        guest = Guest(self.sockets, number, tag, bridge)
        self.guests.append(guest)
        self.lans.join(self.sockets, guest.vmid, guest.nic)
        return guest


@pytest.fixture
async def place(tmp_path: Path) -> Iterator[Place]:  # type: ignore[misc]
    place = Place(tmp_path)
    yield place
    place.lans.close()
    for guest in place.guests:
        guest.socket.close()


async def test_frames_go_where_they_are_meant_to(place: Place) -> None:
    first, second, third = place.guest(1), place.guest(2), place.guest(3)
    first.send(first.frame(second.mac))
    assert await second.gets() == first.frame(second.mac)
    assert await third.gets() is None
    third.send(third.frame(EVERYBODY, ARP))
    assert await first.gets() == await second.gets() == third.frame(EVERYBODY, ARP)
    assert await third.gets() is None


async def test_other_tags_and_bridges_are_other_networks(place: Place) -> None:
    first, other_tag, other_bridge = place.guest(1), place.guest(2, tag=8), place.guest(3, bridge="vmbr2")
    for to in (EVERYBODY, other_tag.mac, other_bridge.mac):
        first.send(first.frame(to))
    assert await other_tag.gets() is None
    assert await other_bridge.gets() is None


async def test_who_lies_about_the_sender_is_not_heard(place: Place) -> None:
    liar, listener = place.guest(1), place.guest(2)
    for lie in (
        liar.frame(listener.mac, mac=listener.mac),
        liar.frame(listener.mac, address=listener.address),
        liar.frame(EVERYBODY, ARP, address=listener.address),
        liar.frame(EVERYBODY, IPV6),
        b"short",
        b"",
    ):
        liar.send(lie)
    assert await listener.gets() is None
    liar.send(liar.frame(listener.mac))
    assert await listener.gets() is not None


async def test_who_does_not_listen_holds_nobody_up(place: Place) -> None:
    sender, asleep, awake = place.guest(1), place.guest(2), place.guest(3)
    for _ in range(2000):
        sender.send(sender.frame(EVERYBODY))
        await asyncio.sleep(0)
        with contextlib.suppress(BlockingIOError):
            awake.socket.recv(65536)
    while await awake.gets() is not None:
        pass
    sender.send(sender.frame(awake.mac))
    assert await awake.gets() == sender.frame(awake.mac)
    assert await asleep.gets() == sender.frame(EVERYBODY)


async def test_a_network_ends_with_its_last_card(place: Place) -> None:
    first, second = place.guest(1), place.guest(2)
    place.lans.leave(place.sockets, first.vmid, 1)
    second.send(second.frame(EVERYBODY))
    assert await first.gets() is None
    assert not card_socket(place.sockets, first.vmid, 1).exists()
    place.lans.leave(place.sockets, second.vmid, 1)
    assert list(place.sockets.iterdir()) == []


def test_commas_in_paths_are_doubled() -> None:
    words = lan_netdev(Nic(3, "BC:24:11:00:00:01", "vmbr1", tag=7), Path("/a,b"), 101)
    assert words == (
        "dgram,id=net3,local.type=unix,local.path=/a,,b/101i3.lan,remote.type=unix,remote.path=/a,,b/7.vmbr1.lan"
    )
