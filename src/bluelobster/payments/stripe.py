"""Stripe (https://docs.stripe.com/api): a checkout session for each top-up, and signed events about it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import httpx
from pydantic import BaseModel, Field, ValidationError

from bluelobster.http.errors import InvalidRequest
from bluelobster.payments.provider import CannotBegin, Checkout, Notice, Order
from bluelobster.payments.signature import NotSigned, check_signature
from bluelobster.payments.stripe_events import ACCOUNT, TOP_UP, notice_of

log = logging.getLogger(__name__)

# The shapes of requests and answers are those of this version, whatever the account's own is.
VERSION = "2026-10-28.endive"
CURRENCY = "usd"
SIGNATURE = "Stripe-Signature"
SECONDS = 8.0
CONNECT_SECONDS = 3.0
# Shorter than the 30 s after which clients give up.
LONGEST_SECONDS = 25.0
PAUSES = (0.5, 1.0)
# Also 409: another request with the same idempotency key is under way.
PASSING = frozenset({409, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class StripeAccount:
    """The operator's account there, and where a payer goes afterwards."""

    secret_key: str = field(repr=False)
    webhook_secrets: Sequence[str] = field(repr=False)
    success_url: str
    cancel_url: str | None = None
    api_url: str = "https://api.stripe.com"


class Passing(CannotBegin):
    """It may well be different a moment later."""


class Session(BaseModel):
    """The part of a checkout session that is needed to pay."""

    id: str = Field(min_length=1, max_length=255)
    url: str = Field(min_length=1, max_length=5000)


class Stripe:
    """Stripe as a provider. `pauses` are those between attempts, in seconds."""

    name = "stripe"

    def __init__(self, account: StripeAccount, http: httpx.AsyncClient, pauses: Sequence[float]) -> None:
        self._account = account
        self._http = http
        self._pauses = pauses

    async def begin(self, order: Order) -> Checkout:
        """A request that may have been lost is sent again under the same idempotency key: one session is made of both.
        Raises CannotBegin."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS) as limit:
                return await self._insist(order)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise CannotBegin("it takes too long") from error

    async def _insist(self, order: Order) -> Checkout:
        for pause in self._pauses:
            try:
                return await self._ask(order)
            except Passing as error:
                log.warning("Stripe makes no checkout session, and is asked again: %s", error)
                await asyncio.sleep(pause)
        return await self._ask(order)

    async def _ask(self, order: Order) -> Checkout:
        headers = {"Idempotency-Key": f"bluelobster-top-up-{order.top_up_id}"}
        try:
            answer = await self._http.post("/v1/checkout/sessions", data=self._form(order), headers=headers)
        except httpx.TransportError as error:
            raise Passing(type(error).__name__) from error
        if not answer.is_success:
            kind = Passing if answer.status_code in PASSING else CannotBegin
            raise kind(_problem(answer))
        try:
            session = Session.model_validate_json(answer.content)
        except ValidationError as error:
            raise CannotBegin(f"its answer has no usable {_places(error)}") from None
        return Checkout(session.id, session.url)

    def read(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Notice:
        """An event, if its signature is right. Raises InvalidRequest."""
        try:
            check_signature(body, headers.get(SIGNATURE, ""), self._account.webhook_secrets, now)
        except NotSigned as error:
            log.warning("an event with the signature of somebody else than Stripe is refused: %s", error)
            raise InvalidRequest("invalid_signature", f"{SIGNATURE}: {error}") from None
        try:
            return notice_of(body)
        except ValueError as error:
            # Stripe sends it again for days: time enough to learn to read it.
            places = _places(error)
            log.error("an event that Stripe signed cannot be read: %s", places)
            raise InvalidRequest("unreadable_event", f"This is no event that is known here: {places}") from None

    def _form(self, order: Order) -> dict[str, str]:
        ours = {TOP_UP: str(order.top_up_id), ACCOUNT: str(order.account_id)}
        cancel_url = self._account.cancel_url
        return {
            "mode": "payment",
            "client_reference_id": str(order.top_up_id),
            "expires_at": str(int(order.expires_at.timestamp())),
            "success_url": self._account.success_url,
            **({"cancel_url": cancel_url} if cancel_url else {}),
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": CURRENCY,
            "line_items[0][price_data][unit_amount]": str(order.amount_cents),
            "line_items[0][price_data][product_data][name]": "Account credit",
            # In another currency than it is asked for, an amount could not be held against ours.
            "adaptive_pricing[enabled]": "false",
            **{f"metadata[{name}]": value for name, value in ours.items()},
            **{f"payment_intent_data[metadata][{name}]": value for name, value in ours.items()},
        }


@asynccontextmanager
async def stripe(account: StripeAccount, pauses: Sequence[float] = PAUSES) -> AsyncIterator[Stripe]:
    """Stripe, with connections that are closed at the end."""
    headers = {"Authorization": f"Bearer {account.secret_key}", "Stripe-Version": VERSION, "User-Agent": "bluelobster"}
    timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
    async with httpx.AsyncClient(base_url=account.api_url, headers=headers, timeout=timeout) as http:
        yield Stripe(account, http, pauses)


def _problem(answer: httpx.Response) -> str:
    """What it was refused with, in Stripe's codes. Its sentences quote what was sent."""
    try:
        error = answer.json()["error"]
        codes = [str(error[name]) for name in ("type", "code", "param") if error.get(name)]
    except (ValueError, LookupError, TypeError, AttributeError):
        codes = []
    request = answer.headers.get("Request-Id", "-")
    return f"status {answer.status_code} {' '.join(codes)} (request {request})"


def _places(error: ValueError) -> str:
    """Which fields are missing or of another kind, without what is in them."""
    if not isinstance(error, ValidationError):
        return "text"
    return ", ".join(".".join(map(str, each["loc"])) or "JSON" for each in error.errors())
