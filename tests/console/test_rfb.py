"""The gateway's part of VNC's protocol, against the specification's bytes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluelobster.console import rfb
from bluelobster.console.attempts import MOST_WRONG, Attempts
from bluelobster.console.stream import Ended, Wire

VERSION = b"RFB 003.008\n"


class Script:
    """A stream that gives what was written down, in pieces of any size, and keeps what it is given."""

    def __init__(self, said: bytes, piece: int = 5) -> None:
        self.heard = b""
        self._said = said
        self._piece = piece

    async def read(self) -> bytes:
        said, self._said = self._said[: self._piece], self._said[self._piece :]
        return said

    async def write(self, data: bytes) -> None:
        self.heard += data


def test_the_response_is_des_as_published() -> None:
    """FIPS 81's example; of its key VNC can express every bit that DES looks at."""
    password = '\x00D"f\x11U3w'
    assert rfb.vnc_response(password, b"Now is the time ").hex() == "3fa40e8a984d48156a271787ab8883f9"


def test_passwords_are_cut_at_eight() -> None:
    assert rfb.vnc_response("eightchr-and-more", bytes(16)) == rfb.vnc_response("eightchr", bytes(16))
    assert rfb.vnc_response("", bytes(16)) != rfb.vnc_response("x", bytes(16))


@pytest.mark.parametrize(
    ("line", "version"),
    [(b"003.003", 3), (b"003.005", 3), (b"003.007", 7), (b"003.008", 8), (b"003.889", 8), (b"004.001", 8)],
)
async def test_versions(line: bytes, version: int) -> None:
    viewer = Script(b"RFB " + line + b"\n")
    assert await rfb.greet(Wire(viewer)) == version
    assert viewer.heard == VERSION


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n", b"RFB 003.008\r\n", b"RFB 002.008\n", b"RFB 003 008\n"])
async def test_what_is_not_vnc(line: bytes) -> None:
    with pytest.raises(rfb.RfbError):
        await rfb.greet(Wire(Script(line)))


async def test_a_viewer_that_goes_away() -> None:
    with pytest.raises(Ended):
        await rfb.greet(Wire(Script(b"RFB 00")))


@pytest.mark.parametrize(
    ("version", "offered", "admitted", "refused", "turned_away"),
    [
        (3, "00000002", "00000000", "00000001", "00000000 00000002 6e6f"),
        (7, "0102", "00000000", "00000001", "00 00000002 6e6f"),
        (8, "0102", "00000000", "00000001 00000002 6e6f", "00 00000002 6e6f"),
    ],
)
async def test_every_version_gets_its_own_words(
    version: int, offered: str, admitted: str, refused: str, turned_away: str
) -> None:
    viewer = Script(b"\2")
    await rfb.offer(Wire(viewer), version, rfb.VNC_AUTHENTICATION)
    assert viewer.heard == bytes.fromhex(offered)
    for say, heard in (
        (rfb.admit(Wire(viewer), version, rfb.VNC_AUTHENTICATION), admitted),
        (rfb.refuse(Wire(viewer), version, "no"), refused),
        (rfb.turn_away(Wire(viewer), version, "no"), turned_away),
    ):
        viewer.heard = b""
        await say
        assert viewer.heard == bytes.fromhex(heard)


async def test_without_authentication_only_the_newest_is_told_a_result() -> None:
    for version, heard in ((3, b""), (7, b""), (8, bytes(4))):
        viewer = Script(b"")
        await rfb.admit(Wire(viewer), version, rfb.NO_AUTHENTICATION)
        assert viewer.heard == heard


async def test_a_viewer_may_not_choose_for_itself() -> None:
    with pytest.raises(rfb.RfbError):
        await rfb.offer(Wire(Script(b"\1")), 8, rfb.VNC_AUTHENTICATION)


async def test_logging_in() -> None:
    screen = Script(VERSION + b"\2\5\2" + b"Now is the time " + bytes(4) + b"rest")
    wire = Wire(screen)
    await rfb.log_in(wire, '\x00D"f\x11U3w')
    assert screen.heard == VERSION + b"\2" + bytes.fromhex("3fa40e8a984d48156a271787ab8883f9")
    assert await wire.read() == b"rest"


async def test_logging_in_where_no_password_is_asked_for() -> None:
    screen = Script(VERSION + b"\1\1" + bytes(4))
    await rfb.log_in(Wire(screen), "secret")
    assert screen.heard == VERSION + b"\1"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"RFB 003.003\n", "too old"),
        (VERSION + b"\0\0\0\0\4busy", "busy"),
        (VERSION + b"\1\x13", r"only \[19\]"),
        (VERSION + b"\1\2" + bytes(16) + b"\0\0\0\1\0\0\0\3bad", "refuses: bad"),
        (VERSION + b"\1\2" + bytes(16) + b"\0\0\0\1\xff\xff\xff\xff" + b"x" * 1024, "refuses: xxx"),
    ],
)
async def test_a_server_that_does_not_let_us_in(said: bytes, why: str) -> None:
    with pytest.raises(rfb.RfbError, match=why):
        await rfb.log_in(Wire(Script(said)), "secret")


@given(st.binary(max_size=80), st.integers(1, 20))
def test_any_bytes_from_a_server_end_cleanly(said: bytes, piece: int) -> None:
    async def try_it() -> None:
        for beginning in (b"", VERSION, VERSION + b"\1\2"):
            try:
                await rfb.log_in(Wire(Script(beginning + said, piece)), "secret")
            except (rfb.RfbError, Ended):
                continue

    asyncio.run(try_it())


def test_attempts_are_counted_by_origin() -> None:
    attempts = Attempts()
    for number in range(MOST_WRONG):
        assert not attempts.too_many("192.0.2.1")
        attempts.count("192.0.2.1")
        attempts.count(f"2001:db8::{number:x}")
    assert attempts.too_many("192.0.2.1")
    assert not attempts.too_many("192.0.2.2")
    assert attempts.too_many("2001:db8::ffff")
    assert not attempts.too_many("2001:db8:0:1::1")
    assert not attempts.too_many("somewhere")
