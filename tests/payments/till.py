"""A cloud that sells credit, beside a Stripe that keeps no money."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from bluelobster.payments.configured import stripe_account
from bluelobster.payments.stripe import stripe
from cloud import TestCloud, api_client, running_cloud
from payments.fake_stripe import SECRET_KEY, FakeStripe, running_stripe
from payments.recorded import about, header

SECRETS = ("whsec_new", "whsec_old")
WEBHOOK = "/payments/stripe/webhook"


@dataclass
class Till:
    """Top-ups of the customer's, and what Stripe tells about them."""

    cloud: TestCloud
    fake: FakeStripe
    account_id: UUID
    numbers: Any = field(default_factory=count)

    async def begin(self, amount_cents: int = 2500, name: str | None = None) -> httpx.Response:
        """Ask for a top-up, in a request with a name if there is one."""
        body = {"amount_cents": amount_cents}
        headers = {"Idempotency-Key": name} if name else {}
        return await self.cloud.customer.post("/billing/top-ups", json=body, headers=headers)

    async def begun(self, amount_cents: int = 2500) -> str:
        """The id of a new top-up."""
        answer = await self.begin(amount_cents)
        assert answer.status_code == 201, answer.text
        top_up_id: str = answer.json()["id"]
        return top_up_id

    def event(self, name: str, top_up_id: str, **changes: Any) -> dict[str, Any]:
        """A new event about a top-up; its session and payment have names of their own."""
        payment_id = f"pi_{top_up_id}"
        event = about(name, top_up_id, str(self.account_id), f"evt_{next(self.numbers)}", payment_intent=payment_id)
        found = event["data"]["object"]
        if found["object"] == "checkout.session":
            found["id"] = self.session_of(top_up_id)
        found.update(changes)
        return event

    def session_of(self, top_up_id: str) -> str:
        return self.fake.sessions[f"bluelobster-top-up-{top_up_id}"][1]

    async def send(self, event: dict[str, Any], secret: str = SECRETS[0], at: datetime | None = None) -> httpx.Response:
        body = json.dumps(event).encode()
        signature = header(body, secret, at or self.cloud.parts.clock.now())
        return await self.post(body, signature)

    async def post(self, body: bytes, signature: str) -> httpx.Response:
        nobody = api_client(self.cloud.app, None)
        return await nobody.post(WEBHOOK, content=body, headers={"Stripe-Signature": signature})

    async def tell(self, event: dict[str, Any]) -> str:
        """What became of an event."""
        answer = await self.send(event)
        assert answer.status_code == 200, answer.text
        outcome: str = answer.json()["outcome"]
        return outcome

    async def told(self, name: str, top_up_id: str, **changes: Any) -> str:
        return await self.tell(self.event(name, top_up_id, **changes))

    async def shown(self, top_up_id: str) -> dict[str, Any]:
        answer = await self.cloud.customer.get(f"/billing/top-ups/{top_up_id}")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def status(self, top_up_id: str) -> str:
        return str((await self.shown(top_up_id))["status"])

    async def ledger(self) -> list[tuple[str, int]]:
        """All entries of all accounts, in order."""
        async with self.cloud.parts.pool.connection() as connection:
            cursor = await connection.execute("select kind, amount_cents from ledger order by id")
            return [(kind, cents) for kind, cents in await cursor.fetchall()]


@asynccontextmanager
async def running_till(database: str, folder: Path) -> AsyncIterator[Till]:
    """Without a worker: nothing here is an operation."""
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(running_stripe())
        settings: dict[str, Any] = {
            "stripe_secret_key": SECRET_KEY,
            "stripe_webhook_secret": ", ".join(SECRETS),
            "stripe_success_url": "https://cloud.example.com/paid",
            "stripe_cancel_url": "https://cloud.example.com/billing",
            "stripe_api_url": fake.url,
        }
        cloud = await stack.enter_async_context(running_cloud(database, folder, worker=False, **settings))
        account = stripe_account(cloud.settings)
        assert account is not None
        cloud.app.state.payments = await stack.enter_async_context(stripe(account, pauses=(0.0,)))
        yield Till(cloud, fake, await cloud.account_id())
