"""How many operations may do the same at once: what many wait for must leave slots for everybody else's."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from bluelobster.tasks.operation import TryAgain

LONG = "long operations"


class Turns:
    """Of a worker's slots half go to operations that take long, and three quarters to one host, which may hang. Nobody
    waits for a turn in a slot: who gets none comes back later."""

    def __init__(self, slots: int) -> None:
        self._of_long = max(1, slots // 2)
        self._of_a_host = max(1, slots * 3 // 4)
        self._taken: Counter[str] = Counter()

    @contextmanager
    def long(self) -> Iterator[None]:
        """For a whole operation. Raises TryAgain."""
        with self._one(LONG, self._of_long):
            yield

    @contextmanager
    def at(self, host_id: str) -> Iterator[None]:
        """For a step at a host. Raises TryAgain."""
        with self._one(f"host {host_id}", self._of_a_host):
            yield

    @contextmanager
    def _one(self, name: str, most: int) -> Iterator[None]:
        if self._taken[name] >= most:
            raise TryAgain(f"this worker has enough to do with {name}")
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
