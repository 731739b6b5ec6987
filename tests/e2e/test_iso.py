"""A real machine boots from a real image: its screen shows what the image brought."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from bluelobster.system_packages import BOOTABLE_ISO
from e2e.local_cloud import NOTHING, LocalCloud, eventually
from e2e.shared_cloud import SMALL
from pvelocal.qemu.monitor import Monitor

pytestmark = pytest.mark.e2e
PATIENCE = 60.0
IMAGE = Path(BOOTABLE_ISO[0].program)
# What the boot loader of the image shows.
MENU = ("GNU GRUB", "Microsoft Windows", "keys to select which entry is highlighted")
DARK = 32
# Where a PC keeps the characters of its screen, each followed by its colour.
TEXT_MEMORY = 0xB8000
TEXT_BYTES = 80 * 25 * 2


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base calls it so
        """Nobody needs to know."""


@contextmanager
def mirror(folder: Path) -> Iterator[str]:
    """A web server that gives the files of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Screen:
    """What a guest shows, seen through QEMU's second monitor."""

    def __init__(self, pid: int, folder: Path) -> None:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        self._socket = next(Path(word[5:].partition(",")[0]) for word in words if ".qmp2,server" in word)
        self._folder = folder

    def picture(self) -> tuple[int, int, bytes]:
        """Width, height and three bytes a point."""
        path = self._folder / "screen.ppm"
        self._ask("screendump", filename=str(path))
        kind, width, height, _, points = path.read_bytes().split(maxsplit=4)
        assert kind == b"P6"
        return int(width), int(height), points

    def text(self) -> str:
        """What is written on it in text mode."""
        path = self._folder / "screen.txt"
        self._ask("pmemsave", val=TEXT_MEMORY, size=TEXT_BYTES, filename=str(path))
        return path.read_bytes()[::2].decode("cp437")

    def _ask(self, command: str, **arguments: Any) -> None:
        async def ask() -> None:
            monitor = Monitor(self._socket)
            await monitor.execute(command, **arguments)
            await monitor.close()

        asyncio.run(ask())


def test_a_machine_boots_from_an_image(cloud: LocalCloud, tmp_path: Path) -> None:
    with mirror(IMAGE.parent) as address:
        launch = {
            "region": "us-east-1",
            "instance_type": SMALL,
            "username": "captain",
            "iso_url": f"{address}/{IMAGE.name}?token=x",
        }
        answer = cloud.api.post("/instances/launch-instance", json=launch)
        cloud.completed(answer)
    instance_id = answer.json()["vm_uuid"]
    instance = f"/instances/{instance_id}"
    shown = cloud.api.get(instance).json()
    assert (shown["template_name"], shown["power_status"]) == (None, "running")
    assert [path.read_bytes() == IMAGE.read_bytes() for path in cloud.discs(instance_id)] == [True]
    (pid,) = cloud.machines(instance_id)
    screen = Screen(pid, tmp_path)
    eventually(lambda: all(line in screen.text() for line in MENU), PATIENCE)
    width, height, points = screen.picture()
    assert (width, height) == (720, 400)
    lit = sum(value > DARK for value in points) / len(points)
    # A menu: more than the two lines of firmware that finds nothing to boot from, less than a picture.
    assert 0.05 < lit < 0.3

    assert cloud.api.delete(instance).json()["status"] == "success"
    assert cloud.left_of(instance_id) == NOTHING
