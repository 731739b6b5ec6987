"""The lines that vzdump writes about a backup to a Proxmox Backup Server."""

import shlex
import time
from collections.abc import Iterator, Mapping

from pvelocal.backups.write import Tally
from pvelocal.sizes import format_progress
from pvelocal.verification import Value

_UNITS = ("B", "KiB", "MiB", "GiB")


def job_line(vmids: str, options: Mapping[str, Value]) -> str:
    """The first line of a job."""
    words = [word for name, value in options.items() for word in (f"--{name}", shlex.quote(str(value)))]
    return f"INFO: starting new backup job: vzdump {' '.join([vmids, *words])}"


def moment() -> str:
    """Now, as the log tells it."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def clock(seconds: float) -> str:
    """`00:01:04`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def progress_line(tally: Tally, done: int, seconds: float, read: float, write: float) -> str:
    """How far it is: `INFO:  43% (880.0 MiB of 2.0 GiB) in 3s, read: 293.3 MiB/s, write: 80.0 MiB/s`."""
    percent = 100 if tally.target == 0 else done * 100 // tally.target
    amounts = f"{format_progress(done)} of {format_progress(tally.target)}"
    rates = f"read: {format_progress(int(read))}/s, write: {format_progress(int(write))}/s"
    return f"INFO: {percent:3}% ({amounts}) in {_duration(seconds)}, {rates}"


def end_lines(tally: Tally, seconds: float) -> Iterator[str]:
    """What became of it all."""
    if tally.zero:
        yield f"INFO: backup is sparse: {_exact(tally.zero)} ({_percent(tally.zero, tally.target)}%) total zero data"
    # To the server, zeroes are a chunk that it has.
    reused = tally.total - tally.target + tally.reused + tally.zero
    if reused:
        share = _percent(reused, tally.total)
        yield f"INFO: backup was done incrementally, reused {_exact(reused)} ({share}%)"
    if tally.done:
        whole = int(seconds)
        rate = f"in {whole} seconds ({format_progress(tally.done // whole)}/s)" if whole else "in <1 seconds"
        yield f"INFO: transferred {_exact(tally.done)} {rate}"


def _percent(part: int, whole: int) -> int:
    return part * 100 // whole if whole else 0


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def _exact(size: int) -> str:
    amount = float(size)
    for unit in _UNITS:
        if amount < 1024:
            return f"{amount:.2f} {unit}"
        amount /= 1024
    return f"{amount:.2f} TiB"
