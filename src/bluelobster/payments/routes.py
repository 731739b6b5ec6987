"""The routes of top-ups."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from bluelobster.access.route import Caller, Database, IdentifiedRoute, Reading, Time
from bluelobster.http.errors import Conflict
from bluelobster.http.paging import place_of
from bluelobster.payments import begin, top_up
from bluelobster.payments.configured import provider_of
from bluelobster.settings import Settings

router = APIRouter(prefix="/api/v1/billing/top-ups", tags=["BILLING"], route_class=IdentifiedRoute)


@router.post("", status_code=201, summary="Buy credit")
async def create_top_up(
    request: Request, wanted: begin.TopUpRequest, caller: Caller, pool: Database, clock: Time
) -> top_up.TopUp:
    """Answers with the address of a page of the payment provider's, where anybody can pay. The credit is there as soon
    as the provider tells that the money is. Where no credit can be bought online: 409 `payments_not_offered`. For keys
    of the whole account."""
    provider = provider_of(request)
    if provider is None:
        raise Conflict("payments_not_offered", "Credit cannot be bought online here; ask the operator for it")
    return await begin.begin_top_up(pool, provider, limits_of(request), caller, wanted, clock)


@router.get("", summary="List top-ups")
async def list_top_ups(
    caller: Caller,
    tx: Reading,
    limit: Annotated[int, Query(ge=1, le=100, description="Most top-ups of a page")] = 24,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> top_up.TopUps:
    """Credit that was bought or was to be, newest first. For keys of the whole account."""
    behind = None if cursor is None else place_of(cursor, UUID)
    return await top_up.list_top_ups(tx, caller.account_id, behind, limit)


@router.get("/{top_up_id}", summary="A top-up")
async def get_top_up(top_up_id: str, caller: Caller, tx: Reading) -> top_up.TopUp:
    """What became of it. For keys of the whole account."""
    return await top_up.find_top_up(tx, caller.account_id, top_up_id)


def limits_of(request: Request) -> begin.Limits:
    settings: Settings = request.app.state.settings
    return begin.Limits(settings.top_up_least_cents, settings.top_up_most_cents)
