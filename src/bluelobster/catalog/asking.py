"""Questions to a host while somebody waits for the answer: what goes wrong is said in our words, and soon."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bluelobster.http.errors import Conflict
from bluelobster.pve import errors

PATIENCE_SECONDS = 20.0


@asynccontextmanager
async def asking() -> AsyncIterator[None]:
    """Raises Conflict where a call in the block gets no answer in time, or a refusal."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
    except TimeoutError:
        raise unreachable(f"nothing within {PATIENCE_SECONDS:.0f} s") from None
    except errors.NoAnswer as error:
        raise unreachable(str(error)) from error
    except errors.PveError as error:
        raise Conflict("host_refused", f"the host says: {error}") from error


def unreachable(why: str) -> Conflict:
    return Conflict("host_unreachable", f"the host does not answer: {why}")
