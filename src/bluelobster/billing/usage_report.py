"""What was charged for use, by instance, team or day: from the same rows as the ledger."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import dict_row
from pydantic import BaseModel, Field

from bluelobster.access.principal import Sight
from bluelobster.billing.hours import hours
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Unprocessable
from bluelobster.http.paging import Place

LONGEST = timedelta(days=366)
Group = Literal["instance", "team", "day"]
FORMULA = ("=", "+", "-", "@", "\t")

# What a line is of, by what columns that is grouped, and in which order.
GROUPS: Mapping[Group, tuple[str, str, str]] = {
    "instance": ("c.instance_id, i.name as instance_name, i.created_at", "1, 2, 3", "i.created_at desc, c.instance_id"),
    "team": ("c.team_id, t.name as team_name", "1, 2", "t.name, c.team_id"),
    "day": ("c.day", "1", "c.day"),
}


class UsageLine(BaseModel):
    """What an instance with all that belongs to it, a team or a day cost. Of the first five, those are filled that it
    is grouped by; use outside of any team has none."""

    instance_id: UUID | None = None
    instance_name: str | None = None
    team_id: UUID | None = None
    team_name: str | None = None
    day: date | None = None
    instance_hours: float
    instance_cents: int
    address_cents: int
    backup_cents: int
    total_cents: int


class Usage(BaseModel):
    """Charges of whole days in UTC. What is used is charged at least once an hour; `next` is the `cursor` of the next
    page, `total_cents` the sum of all pages."""

    since: date = Field(alias="from")
    until: date = Field(alias="to", description="This day is included")
    group_by: Group
    lines: list[UsageLine]
    total_cents: int
    next: str | None


@dataclass(frozen=True)
class Span:
    """Days, the last one included."""

    since: date
    until: date


def span_of(since: date | None, until: date | None, today: date) -> Span:
    """From the first of the month, and until today, where nothing is said. Raises Unprocessable."""
    last = until or today
    span = Span(since or last.replace(day=1), last)
    if span.since > span.until:
        raise Unprocessable("invalid_time_range", "from must not be after to")
    if span.until - span.since > LONGEST:
        raise Unprocessable("invalid_time_range", f"Maximum time range is {LONGEST.days} days")
    return span


async def usage(
    tx: Tx, sight: Sight, span: Span, group: Group, behind: Place[UUID] | None = None, most: int | None = None
) -> Usage:
    """Charges within the caller's sight: a team's are those of instances that were its when they were used. Pages are
    of instances, newest first; teams and days come all at once."""
    if group != "instance":
        behind = most = None
    values = {
        **vars(sight),
        **vars(span),
        "last_at": behind.at if behind else None,
        "last_id": behind.id if behind else None,
        "most": most + 1 if most else None,
    }
    columns, keys, order = GROUPS[group]
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"""select {columns},
                       coalesce(sum(c.seconds) filter (where c.kind = 'instance'), 0)::bigint as seconds,
                       coalesce(sum(c.amount_cents) filter (where c.kind = 'instance'), 0)::bigint as instance_cents,
                       coalesce(sum(c.amount_cents) filter (where c.kind = 'address'), 0)::bigint as address_cents,
                       coalesce(sum(c.amount_cents) filter (where c.kind = 'backup'), 0)::bigint as backup_cents,
                       sum(c.amount_cents)::bigint as total_cents
                from charges c join instances i on i.id = c.instance_id left join teams t on t.id = c.team_id
                where {SEEN}
                  and (%(last_at)s::timestamptz is null or i.created_at < %(last_at)s
                       or i.created_at = %(last_at)s and i.id > %(last_id)s)
                group by {keys} order by {order} limit %(most)s""",
            values,
        )
        rows = await cursor.fetchall()
    more = most is not None and len(rows) > most
    shown = rows[:most]
    total = sum(row["total_cents"] for row in rows) if behind is None and not more else await _total(tx, values)
    return Usage(
        **{"from": span.since, "to": span.until},
        group_by=group,
        lines=[line(row) for row in shown],
        total_cents=total,
        next=Place(shown[-1]["created_at"], shown[-1]["instance_id"]).cursor() if more else None,
    )


SEEN = """c.account_id = %(account_id)s and c.day >= %(since)s and c.day <= %(until)s
                  and (%(team_id)s::uuid is null or c.team_id = %(team_id)s)"""


async def _total(tx: Tx, values: Mapping[str, Any]) -> int:
    cursor = await tx.execute(f"select coalesce(sum(c.amount_cents), 0)::bigint from charges c where {SEEN}", values)
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


def line(row: Mapping[str, Any]) -> UsageLine:
    return UsageLine(**row, instance_hours=hours(row["seconds"]))


def as_csv(report: Usage) -> str:
    """A table with a heading. Names that a spreadsheet would take for a formula begin with an apostrophe."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(UsageLine.model_fields)
    for each in report.lines:
        table.writerow([_cell(value) for value in vars(each).values()])
    return text.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
