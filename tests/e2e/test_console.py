"""The console of a real machine: typed into from a real browser, and photographed by a real VNC viewer."""

import asyncio
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bluelobster.console.rfb import vnc_response
from bluelobster.system_packages import CONSOLE_TESTS, missing_packages
from e2e.browser import Page, browser
from e2e.local_cloud import LocalCloud, Shell, eventually
from e2e.shared_cloud import SMALL
from viewers import plain_viewer

MISSING = ", ".join(package.name for package in missing_packages(CONSOLE_TESTS))
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(MISSING), reason=f"Debian packages are not installed: {MISSING}"),
]
PASSWORD = "correct-horse-7"
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


@pytest.fixture(scope="module")
def machine(cloud: LocalCloud, key: Path) -> Iterator[tuple[str, Shell]]:
    """The path of a machine that runs, and a way into it besides its console."""
    launch = {
        "region": "us-east-1",
        "instance_type": SMALL,
        "template_name": "TINY-LINUX",
        "username": "captain",
        "name": "looked-at",
        "ssh_key": key.with_suffix(".pub").read_text(),
        "password": PASSWORD,
    }
    answer = cloud.api.post("/instances/launch-instance", json=launch)
    cloud.completed(answer)
    path = f"/instances/{answer.json()['vm_uuid']}"
    shown = cloud.api.get(path).json()
    yield path, Shell(key, "captain", shown["ip_address"], shown["ssh_port"])
    assert cloud.api.delete(path).json()["status"] == "success"


def ticket_for(cloud: LocalCloud, path: str) -> dict[str, Any]:
    answer = cloud.api.post(f"{path}/console")
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


def test_a_vnc_viewer_takes_a_picture(cloud: LocalCloud, machine: tuple[str, Shell], tmp_path: Path) -> None:
    ticket = ticket_for(cloud, machine[0])
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


async def test_several_viewers_come_at_once(cloud: LocalCloud, machine: tuple[str, Shell]) -> None:
    """QEMU knows one password at a time; theirs are all different."""
    tickets = [ticket_for(cloud, machine[0]) for _ in range(6)]

    async def look(ticket: dict[str, Any]) -> tuple[int, int]:
        async with plain_viewer(ticket["host"], ticket["port"], ticket["password"]) as viewer:
            return viewer.width, viewer.height

    assert await asyncio.gather(*map(look, tickets)) == [(720, 400)] * 6


async def test_a_browser_at_the_console(cloud: LocalCloud, machine: tuple[str, Shell], tmp_path: Path) -> None:
    path, shell = machine
    ticket = ticket_for(cloud, path)
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

        await page.visit(ticket_for(cloud, path)["console_url"])
        await page.until(CONNECTED)
        cloud.completed(cloud.api.post(f"{path}/force-shutdown"))
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
