"""Quantities in words for people."""

from datetime import UTC, datetime

SPANS = ((86400, "d"), (3600, "h"), (60, "min"))
BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def price(cents_per_hour: int | None) -> str | None:
    return None if cents_per_hour is None else f"${cents_per_hour / 100:.2f}/h"


def dollars(cents: int) -> str:
    """`$12.05`, `-$0.07`."""
    return f"{'-' if cents < 0 else ''}${abs(cents) // 100}.{abs(cents) % 100:02d}"


def span(seconds: float) -> str:
    """A length of time in its biggest unit: `45 s`, `3 min`, `5 h`, `12 d`."""
    for length, unit in SPANS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def age(since: datetime | None) -> str:
    return "" if since is None else span((datetime.now(UTC) - since).total_seconds())


def size(amount: float) -> str:
    """An amount of bytes in the unit that fits: `1.5 GiB`."""
    for unit in BYTE_UNITS[:-1]:
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} {BYTE_UNITS[-1]}"


def short(identifier: str) -> str:
    """The first group of a UUID, which is enough to name it by; other ids whole."""
    return identifier.partition("-")[0] if len(identifier) == 36 else identifier
