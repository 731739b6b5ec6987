"""Where the payment provider tells what happened. It has no API key: its signature says who it is."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from bluelobster.access.route import Time, admission_of, pool_of
from bluelobster.db.pool import transaction
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.payments.configured import provider_of
from bluelobster.payments.receive import Outcome, receive
from bluelobster.payments.stripe import SIGNATURE

router = APIRouter(prefix="/api/v1/payments", tags=["BILLING"])

BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The signature is missing, wrong or too old, or this is no event; nothing was done"},
    404: {"description": "No payments are taken here"},
    413: {"description": "The body is larger than 1 MiB"},
    429: {"description": "Too many requests that were refused; what is signed as it should be is always read"},
    503: {"description": "A part that is needed does not answer at the moment; send it again"},
}


class Received(BaseModel):
    """The event need not be sent again."""

    outcome: Outcome = Field(description="What became of it")


@router.post("/stripe/webhook", summary="What Stripe tells", openapi_extra=BODY, responses=REFUSALS)
async def receive_stripe_event(
    request: Request,
    clock: Time,
    _signature: Annotated[str, Header(alias=SIGNATURE, description="By Stripe, of this body, lately")] = "",
) -> Received:
    """For Stripe, which signs what it sends and needs no API key. Each event acts once, however often it comes."""
    provider = provider_of(request)
    if provider is None:
        raise NotFound("not_found", "No payments are taken here")
    try:
        body = await request.body()
    except ClientDisconnect:
        raise HTTPException(400) from None
    now = clock.now()
    try:
        notice = provider.read(body, request.headers, now)
    except InvalidRequest:
        await admission_of(request).count_stranger(request)
        raise
    async with transaction(pool_of(request)) as tx:
        return Received(outcome=await receive(tx, provider.name, notice, now))
