"""Stripe on the loopback, as far as checkout sessions go: as strict as the real one about what it is sent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web

SECRET_KEY = "sk_test_recorded"
KNOWN = {
    "mode",
    "client_reference_id",
    "expires_at",
    "success_url",
    "cancel_url",
    "line_items[0][quantity]",
    "line_items[0][price_data][currency]",
    "line_items[0][price_data][unit_amount]",
    "line_items[0][price_data][product_data][name]",
    "adaptive_pricing[enabled]",
    "metadata[bluelobster_top_up]",
    "metadata[bluelobster_account]",
    "payment_intent_data[metadata][bluelobster_top_up]",
    "payment_intent_data[metadata][bluelobster_account]",
}
NEEDED = KNOWN - {"cancel_url"}

Fault = Callable[[web.Request], Awaitable[web.Response]]


@dataclass
class FakeStripe:
    """What it was asked; `faults` come before its next answers, each once."""

    asked: list[dict[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    sessions: dict[str, tuple[dict[str, str], str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        self.keys.append(request.headers.get("Idempotency-Key", ""))
        made = self._made(request, form)
        if self.faults:
            return await self.faults.pop(0)(request)
        return made

    def _made(self, request: web.Request, form: dict[str, str]) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {SECRET_KEY}":
            return refusal(401, "invalid_request_error")
        if request.content_type != "application/x-www-form-urlencoded" or "Stripe-Version" not in request.headers:
            return refusal(400, "invalid_request_error")
        if wrong := (form.keys() - KNOWN) | (NEEDED - form.keys()):
            return refusal(400, "invalid_request_error", param=min(wrong))
        ahead = datetime.fromtimestamp(int(form["expires_at"]), UTC) - datetime.now(UTC)
        if not timedelta(minutes=30) <= ahead <= timedelta(hours=24):
            return refusal(400, "invalid_request_error", param="expires_at")
        before, session_id = self.sessions.setdefault(self.keys[-1], (form, f"cs_test_{len(self.sessions) + 1}"))
        if before != form:
            return refusal(400, "idempotency_error")
        page = f"https://checkout.example.com/c/pay/{session_id}#fid"
        return web.json_response({"id": session_id, "object": "checkout.session", "url": page})

    def fails(self, status: int, code: str = "api_error") -> None:
        async def fail(_: web.Request) -> web.Response:
            return refusal(status, code)

        self.faults.append(fail)

    def drops(self) -> None:
        """The session is made, and nobody hears of it."""

        async def drop(request: web.Request) -> web.Response:
            assert request.transport is not None
            request.transport.close()
            return web.Response()

        self.faults.append(drop)

    def says(self, text: str) -> None:
        async def say(_: web.Request) -> web.Response:
            return web.Response(text=text, content_type="application/json")

        self.faults.append(say)

    def hangs(self) -> None:
        async def hang(_: web.Request) -> web.Response:
            await self.released.wait()
            return web.Response()

        self.faults.append(hang)


def refusal(status: int, kind: str, param: str | None = None) -> web.Response:
    error = {"type": kind, "message": f"Invalid: {SECRET_KEY}", "param": param}
    return web.json_response({"error": error}, status=status, headers={"Request-Id": "req_recorded"})


@asynccontextmanager
async def running_stripe() -> AsyncIterator[FakeStripe]:
    """It listens until the block ends."""
    stripe = FakeStripe()
    app = web.Application()
    app.router.add_post("/v1/checkout/sessions", stripe.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stripe.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stripe
    finally:
        stripe.released.set()
        await runner.cleanup()
