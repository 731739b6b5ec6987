"""How fast it is: `python -m bench` starts everything on this machine, measures, and prints one table.

Figures of the same run are compared with one another; those of different machines or days are not.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from bench import answers, idle, launches, pages
from bench.cloud import Cloud, running
from bench.report import Line, show

PARTS: dict[str, Callable[[Cloud], Awaitable[list[Line]]]] = {
    "idle": idle.measure,
    "answers": answers.measure,
    "pages": pages.measure,
    "launches": launches.measure,
}


async def measure(wanted: list[str]) -> None:
    """Each part with a cloud of its own: what one leaves behind would slow the next."""
    for name in wanted:
        async with running() as cloud:
            show(name, await PARTS[name](cloud))


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PARTS)
    if unknown := set(chosen) - PARTS.keys():
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    asyncio.run(measure(chosen))
