"""Disk sizes as Proxmox VE writes them: binary multiples, no fractions when printed."""

import re

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)")


def parse_size(text: str) -> int:
    """Bytes of `64M`, `1.5G`, `1024`; ValueError for anything else."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(float(match[1]) * _UNITS[match[2]])


def format_size(size_bytes: int) -> str:
    """The shortest exact form: 67108864 is `64M`."""
    unit = ""
    for larger in ("K", "M", "G", "T"):
        if size_bytes == 0 or size_bytes % _UNITS[larger]:
            break
        unit = larger
    return f"{size_bytes // _UNITS[unit]}{unit}"


def format_progress(size_bytes: int) -> str:
    """The form in task logs: `64.0 MiB`."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
