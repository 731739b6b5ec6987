"""What the log of a backup's task tells: how far it is, under which name it is stored, and how much of it was new."""

import re
from collections.abc import Iterable

from bluelobster.pve import Upid
from bluelobster.tasks.node import Node

SHARE = 90
UNITS = {"B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}

_SIZE = r"(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB|TiB)"
_PERCENT = re.compile(rf"INFO: +(?P<percent>\d+)% \((?P<done>{_SIZE} of {_SIZE})\)")
_WAITS = re.compile(r"INFO: trying to get global lock")
_ARCHIVE = re.compile(
    r"INFO: creating (?:Proxmox Backup Server archive '(?P<snapshot>vm/[^']+)'"
    r"|vzdump archive '.*/(?P<file>vzdump-qemu-[^'/]+)')"
)
_TRANSFERRED = re.compile(rf"INFO: transferred {_SIZE} in ")
_REUSED = re.compile(rf"INFO: backup was done incrementally, reused {_SIZE} ")
_DISK = re.compile(r"INFO: include disk '[^']+' '[^']+' (\d+(?:\.\d+)?)([KMGT])\b")


class Follow:
    """Reads the log of a task as it grows, and lets our task say how far it is."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._told = ""
        self.lines: list[str] = []

    async def __call__(self, upid: Upid) -> None:
        while fresh := await self._node.pve.task_log(upid, start=len(self.lines)):
            self.lines += fresh
        message, percent = said(self.lines)
        if message and message != self._told:
            self._told = message
            await self._node.tell(message, percent * SHARE // 100)


def said(lines: list[str]) -> tuple[str, int]:
    """The last word of the log, for the customer, and the percentage; empty before there is one."""
    for line in reversed(lines):
        if found := _PERCENT.search(line):
            return f"Backing up: {found['percent']}% ({found['done']})", min(int(found["percent"]), 100)
        if _WAITS.search(line):
            return "Waiting for other backups on the host to end", 0
    return "", 0


def volid_in(lines: Iterable[str], storage: str) -> str | None:
    """The volume that the backup becomes."""
    found = next((match for line in lines if (match := _ARCHIVE.search(line))), None)
    return f"{storage}:backup/{found['snapshot'] or found['file']}" if found else None


def stored_bytes_in(lines: list[str]) -> int | None:
    """What the storage had to take that it did not have, as exactly as the log says it; None before it does. What a
    backup did not have to read, and what was there already, zeroes among it, counts as reused."""
    transferred, reused = _first(_TRANSFERRED, lines), _first(_REUSED, lines)
    if reused is None:
        return transferred
    return max(0, min(transferred or 0, sum(_disks(lines)) - reused))


def _first(pattern: re.Pattern[str], lines: Iterable[str]) -> int | None:
    found = next((match for line in lines if (match := pattern.search(line))), None)
    return _bytes(found[1], UNITS[found[2]]) if found else None


def _disks(lines: Iterable[str]) -> Iterable[int]:
    shifts = {"K": 10, "M": 20, "G": 30, "T": 40}
    return (_bytes(match[1], shifts[match[2]]) for line in lines if (match := _DISK.search(line)))


def _bytes(number: str, shift: int) -> int:
    """`1.92` shifted, without floats."""
    whole, _, fraction = number.partition(".")
    return (int(whole + fraction) << shift) // int(f"1{'0' * len(fraction)}")
