"""The console of a real machine: typed into from a real browser, and photographed by a real VNC viewer."""

import asyncio
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bluelobster.console.rfb import vnc_response
from bluelobster.system_packages import CONSOLE_TESTS, missing_packages
from e2e.browser import Page, browser
from e2e.local_cloud import Shell, eventually
from e2e.machines.guest import PASSWORD, Guest
from viewers import plain_viewer

MISSING = ", ".join(package.name for package in missing_packages(CONSOLE_TESTS))
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(MISSING), reason=f"Debian packages are not installed: {MISSING}"),
]
PATIENCE = 30.0
# The key with which every VNC program hides the passwords in its files.
FILE_KEY = "\x17\x52\x6b\x06\x23\x4e\x58\x07"
START_OF_FRAME = 0xC0
# What a screen without text takes, and some more.
BLANK_BYTES = 20_000
CONNECTED = "document.body.dataset.state === 'connected'"
ENDED = "document.body.dataset.state === 'ended'"
TITLE = "document.getElementById('end-title').textContent"
# Lit pixels: a letter has 20 to 40.
A_LINE, PROMPT, GREETING = 200, 100, 1500
LIT = """(() => {
    const canvas = document.querySelector('#screen canvas');
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let lit = 0;
    for (let place = 0; place < pixels.length; place += 4) { lit += pixels[place] > 96; }
    return lit;
})()"""


def ticket_for(guest: Guest) -> dict[str, Any]:
    answer = guest.cloud.api.post(f"{guest.path}/console")
    assert answer.status_code == 200, answer.text
    ticket: dict[str, Any] = answer.json()
    return ticket


async def types(page: Page, text: str) -> int:
    """Type a line, and see it appear before it is sent off; how many pixels were lit then."""
    before = await page.value(LIT)
    await page.type(text)
    await page.until(f"{LIT} > {before + 10 * len(text)}")
    lit: int = await page.value(LIT)
    await page.type("\n")
    return lit


def test_a_vnc_viewer_takes_a_picture(stranger: Guest, tmp_path: Path) -> None:
    ticket = ticket_for(stranger)
    password, picture = tmp_path / "password", tmp_path / "viewer.jpg"
    password.write_bytes(vnc_response(FILE_KEY, ticket["password"].encode()))
    command = ["vncsnapshot", "-passwd", str(password), f"{ticket['host']}::{ticket['port']}", str(picture)]
    first = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert first.returncode == 0, first.stderr
    assert 'Desktop name "QEMU (looked-at)"' in first.stderr
    taken = picture.read_bytes()
    assert size_of_jpeg(taken) == (720, 400)
    assert len(taken) > BLANK_BYTES

    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert again.returncode != 0
    assert "authentication failed" in again.stderr.lower()


async def test_several_viewers_come_at_once(stranger: Guest) -> None:
    """QEMU knows one password at a time; theirs are all different."""
    tickets = [ticket_for(stranger) for _ in range(6)]

    async def look(ticket: dict[str, Any]) -> tuple[int, int]:
        async with plain_viewer(ticket["host"], ticket["port"], ticket["password"]) as viewer:
            return viewer.width, viewer.height

    assert await asyncio.gather(*map(look, tickets)) == [(720, 400)] * 6


async def test_a_browser_at_the_console(stranger: Guest, tmp_path: Path) -> None:
    shell = stranger.shell
    ticket = ticket_for(stranger)
    async with browser(shutil.which("chromium") or "", tmp_path / "profile") as page:
        await page.visit(ticket["console_url"])
        await page.until(CONNECTED)
        assert await page.value("document.title") == "looked-at – console"
        assert ticket["ticket"] not in await page.value("location.href")
        await logs_in(page)
        await types(page, "touch typed-in-a-browser")
        eventually(lambda: shell.attempt("test -e typed-in-a-browser").returncode == 0, PATIENCE)
        await pastes(page, shell)
        await page.picture(tmp_path / "browser.png")

        await page.visit("about:blank")
        await page.visit(ticket["console_url"])
        assert await page.until(f"{ENDED} && {TITLE}") == "This link does not work any more"

        await page.visit(ticket_for(stranger)["console_url"])
        await page.until(CONNECTED)
        stranger.cloud.completed(stranger.cloud.api.post(f"{stranger.path}/force-shutdown"))
        assert await page.until(f"{ENDED} && {TITLE}") == "The console has ended"


async def logs_in(page: Page) -> None:
    """As at any screen: name, password, and a greeting of some lines."""
    await page.until(f"{LIT} > {A_LINE}")
    before = await types(page, "captain")
    await page.until(f"{LIT} > {before + PROMPT}")
    await page.type(PASSWORD + "\n")
    await page.until(f"{LIT} > {before + PROMPT + GREETING}")


async def pastes(page: Page, shell: Shell) -> None:
    """The page types a text that has Shift in it."""
    await page.click("#paste")
    await page.value("document.getElementById('text').value = 'echo \"A|b_C: {$((6*7))} ~\" >Pasted.txt\\n'")
    await page.click("#type")
    eventually(lambda: shell.attempt("cat Pasted.txt").stdout == "A|b_C: {42} ~\n", PATIENCE)


def size_of_jpeg(data: bytes) -> tuple[int, int]:
    """Width and height, from the frame's header."""
    place = 2
    while data[place + 1] != START_OF_FRAME:
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    height, width = struct.unpack_from(">HH", data, place + 5)
    return width, height
