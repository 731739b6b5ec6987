"""Ending tasks for certain, and what must not end half way."""

import asyncio
from collections.abc import Coroutine
from typing import Any

AGAIN_SECONDS = 1.0


async def stop(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks until they have ended, even while being cancelled. Once is not enough: `asyncio.wait_for` of Python
    3.11, with which the connection pool waits, forgets a cancellation that comes together with what it waited for."""
    cancelled = False
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=AGAIN_SECONDS)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def to_the_end(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run what does not take long to its end, even while being cancelled."""
    task = asyncio.ensure_future(coroutine)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    task.result()
