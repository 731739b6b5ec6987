"""Holding a guest's file systems still for a moment, through its agent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from pvelocal.hypervisor import HypervisorError

Agent = Callable[[str], Awaitable[object]]
"""Asks the agent of one guest."""

_PATIENCE_SECONDS = 10.0
_BETWEEN_SECONDS = 0.5


class Thaws:
    """Thaws that still go on: a guest whose agent was lost is let go of as soon as it answers again."""

    def __init__(self) -> None:
        self._going: set[asyncio.Task[None]] = set()

    def begin(self, agent: Agent, alive: Callable[[], Awaitable[bool]], done: Callable[[], None]) -> asyncio.Task[None]:
        """Try until it is done, or the guest is `alive` no longer; then call `done`."""
        thaw = asyncio.create_task(_thaw(agent, alive, done))
        self._going.add(thaw)
        thaw.add_done_callback(self._going.discard)
        return thaw

    async def close(self) -> None:
        """Give up; what is not thawed by then, a later node has to thaw."""
        going = list(self._going)
        for thaw in going:
            thaw.cancel()
        if going:
            await asyncio.wait(going)


async def _thaw(agent: Agent, alive: Callable[[], Awaitable[bool]], done: Callable[[], None]) -> None:
    while await alive():
        try:
            await agent("guest-fsfreeze-thaw")
        except HypervisorError:
            await asyncio.sleep(_BETWEEN_SECONDS)
        else:
            break
    done()


@asynccontextmanager
async def frozen(
    agent: Agent, begin_thaw: Callable[[], asyncio.Task[None]], log: Callable[[str], None]
) -> AsyncIterator[None]:
    """Freeze a guest's file systems for the block. Whatever happens, even inside of the freeze, they are thawed."""
    try:
        await agent("guest-ping")
    except HypervisorError:
        log("INFO: skipping guest-agent 'fs-freeze', agent configured but not running?")
        yield
        return
    log("INFO: issuing guest-agent 'fs-freeze' command")
    try:
        try:
            await agent("guest-fsfreeze-freeze")
        except HypervisorError as error:
            log(f"ERROR: {error}")
        yield
    finally:
        log("INFO: issuing guest-agent 'fs-thaw' command")
        await _wait(begin_thaw(), log)


async def _wait(thaw: asyncio.Task[None], log: Callable[[str], None]) -> None:
    """Wait for a thaw, even when cancelled, but not for ever."""
    cancelled = False
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while not thaw.done() and (left := deadline - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.wait({thaw}, timeout=left)
        except asyncio.CancelledError:
            cancelled = True
    if not thaw.done():
        log("ERROR: the guest agent does not answer: its file systems are thawed as soon as it does")
    if cancelled:
        raise asyncio.CancelledError
