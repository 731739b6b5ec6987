"""A worker in a process of its own that is killed, or falls asleep, at a point that the test names.

Points are named after what a worker keeps: `do:start before` is before the step began, `do:start acted` is when it
has acted but not yet noted so, `do:start saved` is when its checkpoint and the beginning of the next step are
committed. The last step's checkpoint is committed with the task's end.
"""

import asyncio
import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bluelobster.parts import assembled
from bluelobster.settings import Settings
from bluelobster.tasks.engine import Engine
from bluelobster.tasks.run import Run
from bluelobster.tasks.way import Leg, Way
from bluelobster.worker import work
from forks import processes

SECONDS = 30.0

Reached = Callable[[str], None]


def start_victim(settings: Settings, point: str, number: int, log: Path) -> BaseProcess:
    """Start a worker that gets signal `number` at `point`; every point that it passes is written to `log`."""
    process = processes.Process(target=live, args=(settings.model_dump(), settings.key_text(), point, number, log))
    process.start()
    return process


def live(values: dict[str, Any], key: str, point: str, number: int, log: Path) -> None:
    with log.open("a") as lines:

        def reached(here: str) -> None:
            print(here, file=lines, flush=True)
            if here == point:
                os.kill(os.getpid(), number)

        watch(reached)
        asyncio.run(_work(Settings.model_validate({**values, "secret_key": key})))


async def _work(settings: Settings) -> None:
    async with assembled(settings) as parts:
        await work(parts, settings)


def watch(reached: Reached) -> None:
    """Call `reached` at every point of every task that this process carries out."""
    perform, turn, checkpoint, complete = Engine._perform, Engine._turn, Run.checkpoint, Run.complete

    async def performing(self: Engine, run: Run, operation: Any, leg: Leg, subject: Any) -> str | None:
        reached(f"{leg.key} before")
        acted = await perform(self, run, operation, leg, subject)
        if acted is None:
            reached(f"{leg.key} saved")
        return acted

    async def turning(self: Engine, run: Run, operation: Any, way: Way, acted: str | None) -> tuple[Leg, Any] | None:
        begun = await turn(self, run, operation, way, acted)
        if acted is not None and begun is not None:
            reached(f"{acted} saved")
        return begun

    async def noting(self: Run, tx: Any, name: str, state: Any) -> None:
        if state is not None:
            reached(f"{name} acted")
        await checkpoint(self, tx, name, state)

    async def ending(self: Run, tx: Any) -> None:
        reached("end acted")
        await complete(self, tx)

    Engine._perform = performing  # type: ignore[method-assign]
    Engine._turn = turning  # type: ignore[method-assign]
    Run.checkpoint = noting  # type: ignore[method-assign]
    Run.complete = ending  # type: ignore[method-assign]


async def until_ended(process: BaseProcess, number: int) -> None:
    """Wait for the victim's end and see that it died of the signal."""
    async with asyncio.timeout(SECONDS):
        while process.exitcode is None:
            await asyncio.sleep(0.01)
    assert process.exitcode == -number


def end(process: BaseProcess) -> None:
    """Kill it, unless it has ended by itself: `kill` allows for that, also where it ends in between."""
    process.kill()
    process.join()
