"""The way from the namespace to the outside: slirp4netns, which needs nothing of the host's network."""

import asyncio
import contextlib
import logging
import os

from pvelocal.qemu.netns.addresses import OUTSIDE
from pvelocal.qemu.netns.space import Space
from pvelocal.qemu.programs import find

DEVICE = "outside"
_READY_SECONDS = 10.0
_END_SECONDS = 5.0
_logger = logging.getLogger(__name__)


class Outside:
    """A process of slirp4netns. It ends with the node, however the node ends: it watches a pipe of the node's."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._hold = -1

    async def open(self, space: Space) -> None:
        """Lead outside, if that is possible; the log says why not."""
        program = find("slirp4netns")
        if program is None:
            _logger.warning(
                "slirp4netns is not installed: guests reach each other and this machine, but nothing outside"
            )
            return
        end, self._hold = os.pipe()
        ready, told = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(program, "--configure", "--mtu=1500", "--disable-host-loopback", f"--cidr={OUTSIDE}"),
                *(f"--exit-fd={end}", f"--ready-fd={told}", "--netns-type=path", str(space.path), DEVICE),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(end, told),
            )
            os.close(told)
            told = -1
            async with asyncio.timeout(_READY_SECONDS):
                await _readable(ready)
            if os.read(ready, 1) != b"1":
                raise OSError("slirp4netns ended")
        except (OSError, TimeoutError) as error:
            _logger.warning("slirp4netns does not work here (%s): guests reach nothing outside", error)
            await self.close()
        finally:
            for descriptor in (end, ready, told):
                if descriptor >= 0:
                    os.close(descriptor)

    async def close(self) -> None:
        """End it."""
        if self._hold >= 0:
            os.close(self._hold)
            self._hold = -1
        process, self._process = self._process, None
        if process is None:
            return
        try:
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
