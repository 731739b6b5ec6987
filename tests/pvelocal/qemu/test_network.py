"""Addresses and ports of user-mode networking."""

import contextlib
import socket

from local_guests import nic
from pvelocal.qemu.network import guest_nameservers, guest_nics, host_address, netdev, taken_addresses


def test_the_guest_configures_its_own_network() -> None:
    first, second = guest_nics((nic(), nic("127.64.0.11/24", 1)))
    assert (first.address, first.gateway) == ("10.0.2.15/24", "10.0.2.2")
    assert (second.address, second.gateway) == ("10.0.3.15/24", None)
    assert guest_nameservers((first, second)) == ("10.0.2.3",)


def test_cards_without_an_address_stay_as_they_are() -> None:
    cards = (nic(None), nic("dhcp", 1))
    assert guest_nics(cards) == cards
    assert [host_address(card) for card in cards] == [None, None]
    assert "hostfwd" not in netdev(cards[1], 22)


def test_an_address_in_use_is_named() -> None:
    with contextlib.closing(socket.create_server(("127.64.9.9", 0))) as other:
        port = other.getsockname()[1]
        assert taken_addresses((nic("127.64.9.9/24"), nic("127.64.9.10/24", 1)), port) == ["127.64.9.9"]


def test_a_foreign_address_is_named() -> None:
    assert taken_addresses((nic("192.0.2.10/24"),), 2222) == ["192.0.2.10"]
