"""Looking at one host or storage of many: what is wrong with it is its own matter."""

import logging
from asyncio import timeout
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import OperationalError

from bluelobster.db.conflicts import CONFLICTS
from bluelobster.pve import errors

log = logging.getLogger(__name__)

AT_ONCE = 16


@asynccontextmanager
async def one_of_many(name: str, seconds: float, *, is_expected: bool = False) -> AsyncIterator[None]:
    """Log what goes wrong inside, or takes longer than `seconds`; only that the database is away concerns the others.
    With `is_expected` quietly: a host in maintenance may well be off."""
    level = logging.DEBUG if is_expected else logging.WARNING
    try:
        async with timeout(seconds):
            yield
    except errors.PveError as error:
        log.log(level, "%s: %s: %s", name, type(error).__name__, error)
    except TimeoutError:
        log.log(level, "%s: it takes longer than %.0f s to answer", name, seconds)
    except CONFLICTS as error:
        log.warning("%s: somebody else was in the way: %s", name, error)
    except OperationalError:
        raise
    except Exception:
        log.exception("%s cannot be looked at", name)
