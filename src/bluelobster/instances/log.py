"""The history of an account's instances, with what each was billed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from psycopg.rows import class_row
from pydantic import ConfigDict, Field

from bluelobster.access.principal import Sight
from bluelobster.billing.hours import hours
from bluelobster.clock import rfc3339
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Unprocessable
from bluelobster.http.moments import Moment
from bluelobster.http.text import RequestBody

LONGEST = timedelta(days=90)


class InstanceLogRequest(RequestBody):
    """A span of time."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"start_time": "2024-01-01T00:00:00Z", "end_time": "2024-01-31T23:59:59Z"}}
    )

    start_time: Annotated[Moment, Field(json_schema_extra={"example": "2024-01-01T00:00:00Z"})] = Field(
        description="Beginning of the span, with its time zone"
    )
    end_time: Annotated[Moment, Field(json_schema_extra={"example": "2024-01-31T23:59:59Z"})] = Field(
        description="End of the span, after its beginning, at most 90 days later"
    )


@dataclass(frozen=True)
class Past:
    """An instance, whatever became of it, and its use: what it would be if it ended now."""

    uuid: UUID
    name: str
    host_id: str
    vmid: int
    status: str
    ip_address: str | None
    cpu_cores: int
    memory_gb: int
    disk_gb: int
    gpu_count: int
    instance_type: str | None
    template_name: str | None
    price_cents_per_hour: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    first_billed_at: datetime | None
    last_billed_at: datetime | None
    billed_seconds: int
    total_billed_cents: int


async def instance_log(tx: Tx, sight: Sight, span: InstanceLogRequest, now: datetime) -> dict[str, Any]:
    """Instances whose life overlaps the span, newest first, with totals over their whole life. Raises Unprocessable."""
    if span.start_time >= span.end_time:
        raise Unprocessable("invalid_time_range", "start_time must be before end_time")
    if span.end_time - span.start_time > LONGEST:
        raise Unprocessable("invalid_time_range", "Maximum time range is 90 days")
    async with tx.cursor(row_factory=class_row(Past)) as cursor:
        await cursor.execute(
            """select i.id as uuid, i.name, i.host_id, i.vmid, i.status, i.address as ip_address, i.vcpus as cpu_cores,
                      i.memory_gb, i.disk_gb, i.gpu_count, i.instance_type, i.template as template_name,
                      i.price_cents_per_hour, i.created_at, i.updated_at, i.ended_at as deleted_at,
                      min(u.began_at) as first_billed_at, max(u.until) as last_billed_at,
                      coalesce(sum(u.steps * (u.period).step_seconds), 0)::bigint as billed_seconds,
                      coalesce(sum(cents_of(u.period, u.steps)), 0)::bigint as total_billed_cents
               from instances i left join lateral (
                 select p as period, p.began_at, e.until,
                        billed_steps(p.began_at, e.until, e.until, p.step_seconds, p.least_steps) as steps
                 from usage_periods p, lateral (
                   select coalesce(p.ended_at, greatest(p.began_at, %(now)s::timestamptz)) as until) e
                 where p.instance_id = i.id) u on true
               where i.account_id = %(account_id)s and i.created_at <= %(end)s
                 and (%(team_id)s::uuid is null or i.team_id = %(team_id)s)
                 and (i.ended_at is null or i.ended_at >= %(start)s)
               group by i.id order by i.created_at desc, i.id""",
            {**vars(sight), "start": span.start_time, "end": span.end_time, "now": now},
        )
        found = await cursor.fetchall()
    return {
        "total_records": len(found),
        "time_range": {"start": rfc3339(span.start_time), "end": rfc3339(span.end_time)},
        "instances": [past_view(each) for each in found],
    }


def past_view(past: Past) -> dict[str, Any]:
    """As the API shows it; an instance that never got ready was never billed."""
    view = dict(vars(past))
    seconds = view.pop("billed_seconds")
    for field in ("created_at", "updated_at", "deleted_at", "first_billed_at", "last_billed_at"):
        view[field] = None if view[field] is None else rfc3339(view[field])
    return {
        **view,
        "uuid": str(past.uuid),
        "total_hours_billed": hours(seconds),
    }
