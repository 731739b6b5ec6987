"""The audit log's reading side: who changed what, from where, and whether it was let."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.clock import Clock, rfc3339
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.paging import Place


class Entry(BaseModel):
    """One request that would change something."""

    at: str
    key_prefix: str = Field(description="The key that asked, or `user:` and who did")
    key_name: str | None = Field(description="The name of the key, or the e-mail address of the user")
    client_ip: str | None
    request_id: str = Field(description="As in the answer's `X-Request-Id`")
    operation: str
    target: str = Field(description="The path that was asked for")
    instance_id: str | None
    outcome: str = Field(description="`accepted` or `refused`")
    status: int
    error: str | None = Field(description="The code of the refusal")
    details: dict[str, Any] | None = Field(description="What staff asked for of hardware or prices, without secrets")


class AuditLog(BaseModel):
    """Requests, newest first. `next` is the `cursor` of the next page."""

    entries: list[Entry]
    next: str | None


@dataclass(frozen=True)
class Filter:
    """Which entries: all where nothing is said; `since` is included, `until` is not."""

    operation: str | None
    instance_id: UUID | None
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True)
class Row:
    id: int
    at: datetime
    key_prefix: str
    key_name: str | None
    client_ip: str | None
    request_id: str
    operation: str
    target: str
    instance_id: UUID | None
    status: int
    error: str | None
    details: dict[str, Any] | None


async def read_audit_log(tx: Tx, account_id: UUID, wanted: Filter, behind: Place[int] | None, most: int) -> AuditLog:
    """A page of an account's log, behind a place of the page before."""
    place = {"last_at": behind.at if behind else None, "last_id": behind.id if behind else None}
    async with tx.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            """select l.id, l.at, l.key_prefix, coalesce(k.name, u.email) as key_name,
                      host(l.client_ip) as client_ip, l.request_id, l.operation, l.target, l.instance_id, l.status,
                      l.error, l.details
               from audit_log l left join api_keys k on k.prefix = l.key_prefix
                    left join users u on l.key_prefix like 'user:%%' and u.prefix = substr(l.key_prefix, 6)
               where l.account_id = %(account_id)s
                 and (%(operation)s::text is null or l.operation = %(operation)s)
                 and (%(instance_id)s::uuid is null or l.instance_id = %(instance_id)s)
                 and l.at >= coalesce(%(since)s::timestamptz, '-infinity')
                 and l.at < coalesce(%(until)s::timestamptz, 'infinity')
                 and (%(last_at)s::timestamptz is null or (l.at, l.id) < (%(last_at)s, %(last_id)s))
               order by l.at desc, l.id desc limit %(most)s""",
            {"account_id": account_id, **vars(wanted), **place, "most": most + 1},
        )
        rows = await cursor.fetchall()
    shown = rows[:most]
    more = len(rows) > most
    return AuditLog(
        entries=[entry(row) for row in shown], next=Place(shown[-1].at, shown[-1].id).cursor() if more else None
    )


def entry(row: Row) -> Entry:
    return Entry(
        at=rfc3339(row.at),
        key_prefix=row.key_prefix,
        key_name=row.key_name,
        client_ip=row.client_ip,
        request_id=row.request_id,
        operation=row.operation,
        target=row.target,
        instance_id=None if row.instance_id is None else str(row.instance_id),
        outcome="accepted" if row.error is None else "refused",
        status=row.status,
        error=row.error,
        details=row.details,
    )


async def forget_old_entries(pool: Pool, clock: Clock, days: int) -> None:
    """Remove entries that are older than so many days."""
    async with transaction(pool) as tx:
        await tx.execute("delete from audit_log where at < %s", (clock.now() - timedelta(days=days),))
