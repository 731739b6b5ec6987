"""Readings of a running guest."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any, cast

from pvelocal.hypervisor import Counters, HypervisorError
from pvelocal.qemu.command import BALLOON_DEVICE
from pvelocal.qemu.guest_files import GuestRecord
from pvelocal.qemu.monitor import Monitor
from pvelocal.qemu.process import Process

BALLOON_PATH = f"/machine/peripheral/{BALLOON_DEVICE}"
_NO_STATISTIC = 2**64 - 1
# Readings closer together would say more about the clock's ticks than about the guest.
_MINIMUM_SECONDS = 0.5
_MIB = 1024 * 1024
# What Linux counts in, and databases keep.
_MOST_BYTES = 2**63 - 1

AskAgent = Callable[[str], Awaitable[object]]


class Meter:
    """Reads the counters of one running guest; remembers what is needed between two readings."""

    def __init__(self, process: Process, record: GuestRecord, monitor: Monitor, ask_agent: AskAgent) -> None:
        self._process = process
        self._record = record
        self._monitor = monitor
        self._ask_agent = ask_agent
        self._reading = asyncio.Lock()
        self._cpu = 0.0
        self._cpu_at = time.monotonic() - process.uptime_seconds
        self._cpu_seconds = 0.0
        self._network = (0, 0)

    @property
    def process(self) -> Process:
        """The process that is measured."""
        return self._process

    async def read(self) -> Counters:
        """All readings. What cannot be asked for, because the guest has no driver or agent, is 0 or the last known."""
        async with self._reading:
            disk_read, disk_write = await self._disk_bytes()
            memory = await self._memory_bytes()
            self._network = await self._network_bytes()
            return Counters(
                cpu=self._cpu_fraction(),
                memory_bytes=memory,
                net_in=self._network[0],
                net_out=self._network[1],
                disk_read=disk_read,
                disk_write=disk_write,
                uptime_seconds=int(self._process.uptime_seconds),
                pid=self._process.pid,
            )

    def _cpu_fraction(self) -> float:
        now, used = time.monotonic(), self._process.cpu_seconds
        elapsed = now - self._cpu_at
        if elapsed >= _MINIMUM_SECONDS:
            self._cpu = min(1.0, max(0.0, (used - self._cpu_seconds) / elapsed / self._record.cores))
            self._cpu_at, self._cpu_seconds = now, used
        return self._cpu

    async def _memory_bytes(self) -> int:
        """What the guest's kernel says is not available; without its balloon driver, what QEMU occupies."""
        total_memory = self._record.memory_mb * _MIB
        try:
            answer = await self._monitor.execute("qom-get", path=BALLOON_PATH, property="guest-stats")
        except HypervisorError:
            answer = {}
        stats: dict[str, int] = cast("dict[str, Any]", answer).get("stats", {})
        total, available = stats.get("stat-total-memory", 0), stats.get("stat-available-memory", 0)
        if total in (0, _NO_STATISTIC) or available == _NO_STATISTIC:
            return min(self._process.resident_bytes, total_memory)
        return min(max(0, total - available), total_memory)

    async def _disk_bytes(self) -> tuple[int, int]:
        try:
            answer = await self._monitor.execute("query-blockstats")
        except HypervisorError:
            return 0, 0
        stats = [entry["stats"] for entry in cast("list[dict[str, Any]]", answer) if entry.get("qdev")]
        return sum(entry["rd_bytes"] for entry in stats), sum(entry["wr_bytes"] for entry in stats)

    async def _network_bytes(self) -> tuple[int, int]:
        """Received and sent by the guest's own count: QEMU's user-mode network keeps none."""
        try:
            answer = await self._ask_agent("guest-network-get-interfaces")
        except HypervisorError:
            return self._network
        return network_bytes(answer, self._record.macs) or self._network


def network_bytes(answer: object, macs: Collection[str]) -> tuple[int, int] | None:
    """What an agent says that these cards have received and sent; None where it does not say, or says nonsense."""
    try:
        cards = [
            card["statistics"]
            for card in cast("list[dict[str, Any]]", answer)
            if card.get("hardware-address", "").lower() in macs and "statistics" in card
        ]
        received, sent = (sum(int(card[name]) for card in cards) for name in ("rx-bytes", "tx-bytes"))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    if not cards or not (0 <= received <= _MOST_BYTES and 0 <= sent <= _MOST_BYTES):
        return None
    return received, sent
