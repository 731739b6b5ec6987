"""A task that overlooks its first cancellation is stopped all the same."""

import asyncio
from contextlib import suppress

import pytest

from bluelobster import stopping
from bluelobster.stopping import stop


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "AGAIN_SECONDS", 0.01)


async def deaf(times: int) -> None:
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_it_is_asked_again() -> None:
    tasks = [asyncio.create_task(deaf(times)) for times in (0, 1, 3)]
    await asyncio.sleep(0)
    await stop(*tasks)
    assert all(task.done() for task in tasks)


async def test_whoever_stops_may_be_stopped_but_not_before_the_end() -> None:
    task = asyncio.create_task(deaf(3))
    await asyncio.sleep(0)
    stopping_it = asyncio.create_task(stop(task))
    await asyncio.sleep(0)
    stopping_it.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping_it
    assert task.done()
