"""Wrong passwords are counted by address, so that nobody can try many."""

import time
from collections import deque
from ipaddress import ip_address, ip_network

MOST_WRONG = 10
WITHIN_SECONDS = 60.0
MOST_ADDRESSES = 10_000


class Attempts:
    """Remembers who was wrong in the last minute. Of IPv6, a whole /64 counts as one: one customer has that much."""

    def __init__(self) -> None:
        self._wrong: dict[str, deque[float]] = {}

    def too_many(self, address: str) -> bool:
        """Whether an address has to wait."""
        return len(self._recent(_origin(address))) >= MOST_WRONG

    def count(self, address: str) -> None:
        """Note a wrong password."""
        if len(self._wrong) >= MOST_ADDRESSES:
            self._wrong = {origin: times for origin in self._wrong if (times := self._recent(origin))}
        self._wrong.setdefault(_origin(address), deque(maxlen=MOST_WRONG)).append(time.monotonic())

    def _recent(self, origin: str) -> deque[float]:
        times = self._wrong.get(origin, deque())
        while times and times[0] < time.monotonic() - WITHIN_SECONDS:
            times.popleft()
        return times


def _origin(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ip_network((found, 64), strict=False))
