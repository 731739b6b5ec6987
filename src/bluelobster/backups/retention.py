"""Which backups of a schedule are kept."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID


@dataclass(frozen=True)
class Kept:
    """A backup that a schedule made, as its storage has it."""

    id: UUID
    created_at: datetime


@dataclass(frozen=True)
class Rules:
    """How many to keep: of the last ones, and the newest of each of so many days, weeks and months that have one.
    Without any rule all are kept."""

    keep_last: int | None = None
    keep_daily: int | None = None
    keep_weekly: int | None = None
    keep_monthly: int | None = None


def to_prune(backups: Iterable[Kept], rules: Rules) -> list[Kept]:
    """Those that no rule keeps, oldest first.

    The rules act one after the other, as in Proxmox VE: each counts only days, weeks or months in which the ones
    before it kept nothing. Periods are UTC's; weeks are those of ISO 8601.
    See https://pve.proxmox.com/pve-docs/chapter-vzdump.html#vzdump_retention
    """
    newest_first = sorted(backups, key=lambda each: (each.created_at, each.id), reverse=True)
    counts = (
        (rules.keep_last, _itself),
        (rules.keep_daily, _day),
        (rules.keep_weekly, _week),
        (rules.keep_monthly, _month),
    )
    if all(count is None for count, _ in counts):
        return []
    keep: set[UUID] = set()
    for count, period_of in counts:
        keep |= _newest_of_each(newest_first, keep, count or 0, period_of)
    return [each for each in reversed(newest_first) if each.id not in keep]


def _newest_of_each(
    newest_first: list[Kept], keep: set[UUID], count: int, period_of: Callable[[Kept], Hashable]
) -> set[UUID]:
    """The newest backup of each of the last `count` periods in which none is kept yet."""
    covered = {period_of(each) for each in newest_first if each.id in keep}
    found: dict[Hashable, UUID] = {}
    for each in newest_first:
        period = period_of(each)
        if period not in covered and period not in found and len(found) < count:
            found[period] = each.id
    return set(found.values())


def _itself(backup: Kept) -> Hashable:
    return backup.id


def _day(backup: Kept) -> Hashable:
    return backup.created_at.astimezone(UTC).date()


def _week(backup: Kept) -> Hashable:
    return backup.created_at.astimezone(UTC).isocalendar()[:2]


def _month(backup: Kept) -> Hashable:
    moment = backup.created_at.astimezone(UTC)
    return moment.year, moment.month
