"""Telling how far a backup is."""

import asyncio
import time
from collections.abc import Callable

from pvelocal.backups.lines import progress_line
from pvelocal.backups.write import Tally

_EVERY_SECONDS = 0.5
_STEPS = 10


class Progress:
    """Writes a line about a tally now and then. With `seconds` it takes its time, in ten steps."""

    def __init__(self, tally: Tally, log: Callable[[str], None], seconds: float) -> None:
        self._tally = tally
        self._log = log
        self._slow = seconds / _STEPS
        self._step = 0
        self._began = self._told_at = time.monotonic()
        self._told = self._told_new = 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    async def advance(self) -> None:
        """Tell it, unless that was just done; the end is always told."""
        done, target = self._tally.done, self._tally.target
        while self._slow and self._step < _STEPS and self._step * target <= done * _STEPS:
            await asyncio.sleep(self._slow)
            self._step += 1
            if self._step < _STEPS:
                self._tell(-(-target * self._step // _STEPS))
        if done == target or time.monotonic() - self._told_at >= _EVERY_SECONDS:
            self._tell(done)

    def _tell(self, done: int) -> None:
        now = time.monotonic()
        since = max(1.0, now - self._told_at)
        new = self._tally.done - self._tally.zero - self._tally.reused
        read, write = (done - self._told) / since, (new - self._told_new) / since
        self._log(progress_line(self._tally, done, self.seconds, max(0.0, read), max(0.0, write)))
        self._told_at, self._told, self._told_new = now, done, new
