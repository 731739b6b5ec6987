"""The route of the audit log."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from bluelobster.access.audit_log import AuditLog, Filter, read_audit_log
from bluelobster.access.route import Caller, IdentifiedRoute, Reading
from bluelobster.http.moments import Moment
from bluelobster.http.paging import place_of
from bluelobster.http.text import CleanText

router = APIRouter(prefix="/api/v1", tags=["EVENTS"], route_class=IdentifiedRoute)

HIGHEST = 2**63 - 1


async def filter_of(
    operation: Annotated[CleanText | None, Query(description="Only this operation, such as `delete_instance`")] = None,
    instance_id: Annotated[UUID | None, Query(description="Only what is about this instance")] = None,
    since: Annotated[Moment | None, Query(description="Not before this moment, with its time zone")] = None,
    until: Annotated[Moment | None, Query(description="Before this moment, with its time zone")] = None,
) -> Filter:
    return Filter(operation, instance_id, since, until)


def row_id(text: str) -> int:
    """ValueError for what no row can have."""
    if not text.isdecimal() or int(text) > HIGHEST:
        raise ValueError("not a row")
    return int(text)


@router.get("/audit-log", summary="Who changed what", response_model=AuditLog)
async def get_audit_log(
    caller: Caller,
    tx: Reading,
    wanted: Annotated[Filter, Depends(filter_of)],
    limit: Annotated[int, Query(ge=1, le=200, description="Most entries of a page")] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> Any:
    """Every request of the account's keys that would change something, newest first, whether it was accepted or
    refused. For owners and admins of the whole account; kept for 400 days."""
    behind = None if cursor is None else place_of(cursor, row_id)
    return await read_audit_log(tx, caller.account_id, wanted, behind, limit)
