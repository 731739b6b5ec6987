"""Freezing the file systems of guests: none stays frozen, even if the node dies while one is."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from pvelocal.freezing import Agent, Thaws, frozen
from pvelocal.qemu.guest_files import GuestFiles


class Freezes:
    """`ask` asks the agent of a guest, `runs` tells whether it runs. A file marks a guest that may be frozen."""

    def __init__(self, ask: Callable[[int, str], Awaitable[object]], runs: Callable[[int], bool]) -> None:
        self._ask = ask
        self._runs = runs
        self._thaws = Thaws()

    def frozen(self, files: GuestFiles, log: Callable[[str], None]) -> AbstractAsyncContextManager[None]:
        """Frozen for the block, if the agent answers."""
        return frozen(self._agent(files), lambda: self.thaw(files), log)

    def thaw(self, files: GuestFiles) -> asyncio.Task[None]:
        """Thaw a guest, as soon as its agent answers."""

        async def runs() -> bool:
            return self._runs(files.vmid)

        return self._thaws.begin(self._agent(files), runs, lambda: files.frozen.unlink(missing_ok=True))

    async def close(self) -> None:
        """Give up what still waits for an agent; the marks stay for a later node."""
        await self._thaws.close()

    def _agent(self, files: GuestFiles) -> Agent:
        async def ask(command: str) -> object:
            if command == "guest-fsfreeze-freeze":
                files.frozen.touch()
            return await self._ask(files.vmid, command)

        return ask
