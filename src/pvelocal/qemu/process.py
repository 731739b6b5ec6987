"""QEMU's processes: finding one by its pid file, waiting for its end, reading its times."""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Positions in /proc/PID/stat after the command's name, see proc(5).
_STATE, _USER_TICKS, _SYSTEM_TICKS, _START_TICKS = 0, 11, 12, 19


@dataclass(frozen=True)
class Process:
    """One process. The time it started at tells it from a later one with the same number."""

    pid: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        stat = _stat(self.pid)
        return stat is not None and int(stat[_START_TICKS]) == self.start_ticks and not _ended(self.pid, stat)

    @property
    def uptime_seconds(self) -> float:
        """How long it has been running."""
        since_boot = float(Path("/proc/uptime").read_text().split()[0])
        return max(0.0, since_boot - self.start_ticks / _TICKS_PER_SECOND)

    @property
    def cpu_seconds(self) -> float:
        """Processor time used so far, 0 when it is gone."""
        stat = _stat(self.pid)
        return 0.0 if stat is None else (int(stat[_USER_TICKS]) + int(stat[_SYSTEM_TICKS])) / _TICKS_PER_SECOND

    @property
    def resident_bytes(self) -> int:
        """Memory that it occupies, 0 when it is gone."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def ended(self, timeout_seconds: float) -> bool:
        """Wait for its end; False when the time is over first."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(descriptor, gone.set)
        try:
            if not self.alive:
                return True
            async with asyncio.timeout(timeout_seconds):
                await gone.wait()
        except TimeoutError:
            return not self.alive
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return True

    def kill(self) -> None:
        """SIGKILL, to this process and no other."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)


def find_process(pid_file: Path) -> Process | None:
    """The QEMU that wrote this pid file, if it still runs. A stale file is worth nothing: numbers are used again."""
    try:
        pid = int(pid_file.read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    stat = _stat(pid)
    if stat is None or _ended(pid, stat):
        return None
    if os.fsencode(pid_file) in arguments or _is_dying_qemu(pid, arguments):
        return Process(pid, int(stat[_START_TICKS]))
    return None


def _is_dying_qemu(pid: int, arguments: list[bytes]) -> bool:
    """A process that dies loses its command line before its files and ports; its name stays."""
    try:
        return arguments == [b""] and Path(f"/proc/{pid}/comm").read_text().startswith("qemu-system")
    except OSError:
        return False


def _ended(pid: int, stat: list[str]) -> bool:
    """Whether nothing of it is left but its number. As long as one thread lives, its files and ports are in use."""
    if stat[_STATE] not in "ZX":
        return False
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir())) <= 1
    except OSError:
        return True


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()
