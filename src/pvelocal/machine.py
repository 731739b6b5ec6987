"""The machine under the node: what it has, and how busy it is."""

import os
import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_GIB = 1 << 30
_SAMPLE_SECONDS = 1.0


@dataclass(frozen=True)
class Capacity:
    """What the node says it has, where that is not what the machine has: guests are overcommitted at home."""

    cores: int | None = None
    memory_gb: int | None = None
    disk_gb: int | None = None


@dataclass(frozen=True)
class Usage:
    """A total in bytes and how much of it is taken."""

    total: int
    used: int

    @property
    def free(self) -> int:
        """What is left."""
        return max(0, self.total - self.used)


class Machine:
    """Reads /proc. Figures of the processors are means since the reading before."""

    def __init__(self, capacity: Capacity, disk: Path) -> None:
        self._capacity = capacity
        self._disk = disk
        self._read_at = 0.0
        self._ticks = (0, 0)
        self._cpu = 0.0

    @property
    def cores(self) -> int:
        """Logical processors."""
        return self._capacity.cores or os.cpu_count() or 1

    def cpu(self) -> float:
        """Busy share of all processors, 0..1."""
        now = time.monotonic()
        if now - self._read_at >= _SAMPLE_SECONDS:
            self._read_at = now
            busy, total = _read_ticks()
            if total > self._ticks[1]:
                self._cpu = (busy - self._ticks[0]) / (total - self._ticks[1])
            self._ticks = (busy, total)
        return self._cpu

    def memory(self) -> Usage:
        """Main memory."""
        figures = _read_table(Path("/proc/meminfo"))
        total = int(figures["MemTotal"].split()[0]) << 10
        used = total - (int(figures["MemAvailable"].split()[0]) << 10)
        return Usage((self._capacity.memory_gb or 0) * _GIB or total, used)

    def disk(self) -> Usage:
        """The file system that holds the guests' disks."""
        stat = os.statvfs(self._disk)
        used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
        return Usage((self._capacity.disk_gb or 0) * _GIB or stat.f_blocks * stat.f_frsize, used)

    def uptime(self) -> int:
        """Seconds since it was started."""
        return int(float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]))

    def describe(self) -> dict[str, object]:
        """As `GET /nodes/{node}/status` shows it, apart from the version."""
        memory, disk, system = self.memory(), self.disk(), platform.uname()
        return {
            "uptime": self.uptime(),
            "loadavg": [f"{load:.2f}" for load in os.getloadavg()],
            "cpu": self.cpu(),
            "wait": 0,
            "idle": 0,
            "memory": {"total": memory.total, "used": memory.used, "free": memory.free, "available": memory.free},
            "swap": {"total": 0, "used": 0, "free": 0},
            "rootfs": {"total": disk.total, "used": disk.used, "free": disk.free, "avail": disk.free},
            "ksm": {"shared": 0},
            "boot-info": {"mode": "efi" if Path("/sys/firmware/efi").exists() else "legacy-bios"},
            "kversion": f"{system.system} {system.release} {system.version}",
            "current-kernel": {
                "sysname": system.system, "release": system.release, "version": system.version,
                "machine": system.machine,
            },
            "cpuinfo": _processors() | {"cpus": self.cores, "cores": self.cores},
        }  # fmt: skip


def _read_ticks() -> tuple[int, int]:
    line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    ticks = [int(field) for field in line.split()[1:9]]
    total = sum(ticks)
    return total - ticks[3] - ticks[4], total


def _read_table(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


@cache
def _processors() -> dict[str, object]:
    table = _read_table(Path("/proc/cpuinfo"))
    flags = table.get("flags", table.get("Features", ""))
    return {
        "model": table.get("model name", platform.machine()),
        "vendor": table.get("vendor_id", ""),
        "family": table.get("cpu family", ""),
        "flags": flags,
        "hvm": "1" if {"vmx", "svm"} & set(flags.split()) else "",
        "mhz": table.get("cpu MHz", "0"),
        "sockets": 1,
        "user_hz": os.sysconf("SC_CLK_TCK"),
    }
