"""Which addresses an image may come from."""

import asyncio
import socket
import threading
from ipaddress import ip_address

import pytest

from bluelobster.isos.addresses import literal, may_connect, reachable, resolved
from bluelobster.isos.errors import CannotFetch, Interrupted
from bluelobster.isos.rules import IsoRules

RULES = IsoRules()
LAB = IsoRules(allowed_networks="10.1.0.0/16, fd00:1::/32")
PUBLIC = ("93.184.215.14", "1.1.1.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e")
FORBIDDEN = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.64.0.10", "169.254.169.254", "172.16.0.1"),  # noqa: S104
    *("192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1"),
    *("64:ff9b:1::1", "100::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:1:2::3", "fc00::1"),
    *("fd00:1::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "4000::1"),
)


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str) -> None:
    assert may_connect(ip_address(text), True, RULES)
    assert not may_connect(ip_address(text), False, RULES)


@pytest.mark.parametrize("text", FORBIDDEN)
def test_not_public(text: str) -> None:
    assert not may_connect(ip_address(text), True, RULES)


@pytest.mark.parametrize("text", ["10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5"])
def test_allowed_by_the_operator_on_any_port(text: str) -> None:
    assert may_connect(ip_address(text), False, LAB)


@pytest.mark.parametrize("text", ["10.2.0.1", "::ffff:10.2.0.1", "fd00:2::5", "127.0.0.1"])
def test_what_is_allowed_is_no_more_than_that(text: str) -> None:
    assert not may_connect(ip_address(text), True, LAB)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1"])
def test_one_address_in_many_notations(text: str) -> None:
    assert literal(text) == ip_address("127.0.0.1")


@pytest.mark.parametrize("text", ["example.com", "127.0.0.1.example.com", "deadbeef.com", "fe80::1%eth0"])
def test_names_are_no_addresses(text: str) -> None:
    assert literal(text) is None


async def ask(*found: str) -> list[str]:
    async def resolve(host: str, port: int) -> list[str]:
        return list(found)

    return [str(address) for address in await reachable("images.example", 443, True, RULES, resolve)]


async def test_every_address_of_a_name_must_do() -> None:
    assert await ask(*PUBLIC) == list(PUBLIC)
    for bad in ("10.0.0.1", "::1", "fe80::1%eth0"):
        for order in ((PUBLIC[0], bad), (bad, PUBLIC[0])):
            with pytest.raises(CannotFetch, match="not public") as refused:
                await ask(*order)
            assert not isinstance(refused.value, Interrupted)
            assert bad not in str(refused.value)
    with pytest.raises(CannotFetch):
        await ask()


async def test_a_name_that_is_unknown_may_be_known_later() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(Interrupted, match="cannot be resolved"):
        await reachable("images.example", 443, True, RULES, resolve)


async def test_names_that_nobody_answers_for_take_no_thread_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def keep_silent(*_what: object, **_more: object) -> list[object]:
        assert over.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", keep_silent)
    asked = [asyncio.create_task(resolved("silent.test", 443)) for _ in range(40)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert await asyncio.to_thread(lambda: "at once") == "at once"
    over.set()
    assert await asyncio.gather(*asked) == [[]] * 40
