"""Credit that is bought: from the request to the entry in the ledger, whatever comes twice, late, early or wrong."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from bluelobster.access.admission import Admission
from bluelobster.billing.ledger import credit
from bluelobster.billing.standing import update_standing
from bluelobster.billing.terms import read_terms
from bluelobster.db.pool import transaction
from bluelobster.http.rates import MemoryRates, Rate
from bluelobster.payments.housekeeping import tidy_payments
from bluelobster.payments.provider import Checkout, Order
from cloud import TestCloud
from payments.till import SECRETS, WEBHOOK, Till, running_till
from set_clock import SetClock

PAID = ("payment", 2500)


@pytest.fixture
async def till(database: str, tmp_path: Path) -> AsyncIterator[Till]:
    async with running_till(database, tmp_path) as running:
        yield running


async def events_of(till: Till) -> list[tuple[str, dict[str, Any]]]:
    answer = await till.cloud.customer.get("/events", headers={"Accept": "application/json"})
    return [(each["kind"], each["data"]) for each in answer.json()["events"]]


async def test_bought_paid_and_handed_back(till: Till) -> None:
    begun = (await till.begin()).json()
    assert (begun["status"], begun["amount_cents"], begun["ended_at"]) == ("open", 2500, None)
    assert begun["url"] == f"https://checkout.example.com/c/pay/{till.session_of(begun['id'])}#fid"
    assert await till.shown(begun["id"]) == begun
    assert await till.ledger() == []
    assert await till.told("completed", begun["id"]) == "done"
    shown = await till.shown(begun["id"])
    assert (shown["status"], shown["url"], shown["refunded_cents"]) == ("paid", None, 0)
    assert (await till.cloud.customer.get("/billing/balance")).json()["balance_cents"] == 2500
    assert await till.told("refunded", begun["id"], amount_refunded=1000) == "done"
    assert (await till.shown(begun["id"]))["refunded_cents"] == 1000
    assert await till.status(begun["id"]) == "paid"
    assert await till.told("disputed", begun["id"]) == "done"
    assert (await till.shown(begun["id"]))["disputed"]
    assert await till.told("refunded", begun["id"], amount_refunded=2500) == "done"
    assert await till.status(begun["id"]) == "refunded"
    assert await till.ledger() == [PAID, ("refund", -1000), ("refund", -1500)]
    about = {"top_up_id": begun["id"]}
    assert await events_of(till) == [
        ("billing.payment", {**about, "amount_cents": 2500}),
        ("billing.refund", {**about, "amount_cents": 1000}),
        ("billing.refund", {**about, "amount_cents": 1500}),
    ]
    assert await till.cloud.one("select count(*) from payment_events where outcome = 'done' and top_up_id is not null")


async def test_where_no_credit_is_sold(idle_cloud: TestCloud) -> None:
    refused = await idle_cloud.customer.post("/billing/top-ups", json={"amount_cents": 2500})
    assert (refused.status_code, refused.json()["error"]) == (409, "payments_not_offered")
    assert (await idle_cloud.customer.get("/billing/top-ups")).json() == {"top_ups": [], "next": None}
    assert (await idle_cloud.customer.post(WEBHOOK, json={})).status_code == 404


async def test_amounts_lists_and_requests_with_a_name(till: Till) -> None:
    for wrong in (0, -1, 499, 500_001, 10**30, "much", 500.5):
        refused = await till.cloud.customer.post("/billing/top-ups", json={"amount_cents": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "amount_cents")
    assert "at least 500 and at most 500000" in (await till.begin(499)).json()["message"]
    assert till.fake.asked == []
    first, again = await till.begin(500_000, "once"), await till.begin(500_000, "once")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert len(till.fake.asked) == 1
    older = [first.json()["id"], await till.begun(500), await till.begun(501)]
    page = (await till.cloud.customer.get("/billing/top-ups", params={"limit": 2})).json()
    rest = (await till.cloud.customer.get("/billing/top-ups", params={"limit": 2, "cursor": page["next"]})).json()
    assert [each["id"] for each in page["top_ups"] + rest["top_ups"]] == older[::-1]
    assert rest["next"] is None
    for path in (older[0], "7"):
        assert (await till.cloud.stranger.get(f"/billing/top-ups/{path}")).status_code == 404


async def test_what_stripe_did_not_sign_does_nothing(till: Till) -> None:
    top_up_id = await till.begun()
    event, now = till.event("completed", top_up_id), till.cloud.parts.clock.now()
    refused = [
        await till.send(event, "whsec_guessed"),
        await till.send(event, at=now - timedelta(seconds=302)),
        await till.send(event, at=now + timedelta(seconds=302)),
        await till.post(b"{}", ""),
    ]
    assert [(each.status_code, each.json()["error"]) for each in refused] == [(400, "invalid_signature")] * 4
    unreadable = await till.send({**event, "data": {"object": {"metadata": 7}}})
    assert (unreadable.status_code, unreadable.json()["error"]) == (400, "unreadable_event")
    assert (await till.post(bytes((1 << 20) + 1), "")).status_code == 413
    assert await till.cloud.one("select count(*) from payment_events") == 0
    assert (await till.ledger(), await till.status(top_up_id)) == ([], "open")
    assert (await till.send(event, SECRETS[1])).json() == {"outcome": "done"}


async def test_who_guesses_is_told_to_wait_and_stripe_is_not(till: Till) -> None:
    event, parts = till.event("completed", await till.begun()), till.cloud.parts
    rare = Rate(0.001, 2)
    till.cloud.app.state.admission = Admission(
        MemoryRates(), rare, rare, parts.admission.uses, parts.settings.session_idle
    )
    refused = [await till.send(event, "whsec_guessed") for _ in range(3)]
    assert [each.status_code for each in refused] == [400, 400, 429]
    assert [(await till.send(event)).json()["outcome"] for _ in range(3)] == ["done", "seen", "seen"]


async def test_a_debt_is_paid(till: Till) -> None:
    """The account stands well again in the transaction in which the money comes in."""
    now = till.cloud.parts.clock.now()
    async with transaction(till.cloud.parts.pool) as tx:
        await tx.execute(
            "update accounts set pays = 'prepaid', credit_limit_cents = 0 where id = %s", (till.account_id,)
        )
        await credit(tx, till.account_id, -700, "use", now)
        await update_standing(tx, till.account_id, await read_terms(tx), now)
    assert await till.told("completed", await till.begun()) == "done"
    kinds = [kind for kind, _ in await events_of(till)]
    assert kinds == ["billing.past_due", "billing.payment", "billing.good_standing"]
    assert (await till.cloud.customer.get("/billing/balance")).json()["balance_cents"] == 1800


async def test_an_event_acts_once_however_often_it_comes(till: Till) -> None:
    top_up_id = await till.begun()
    event = till.event("completed", top_up_id)
    outcomes = await asyncio.gather(*(till.tell(event) for _ in range(8)))
    assert sorted(outcomes) == ["done", *["seen"] * 7]
    assert await till.told("async-succeeded", top_up_id) == "nothing_new"
    assert await till.ledger() == [PAID]


async def test_money_that_takes_days(till: Till) -> None:
    arrives, fails = await till.begun(), await till.begun()
    for top_up_id in (arrives, fails):
        assert await till.told("completed-unpaid", top_up_id) == "done"
        assert await till.status(top_up_id) == "pending"
    await tidy_payments(till.cloud.parts.pool, SetClock(till.cloud.parts.clock.now() + timedelta(days=9)))
    assert await till.told("async-succeeded", arrives) == "done"
    assert await till.told("async-failed", fails) == "done"
    assert (await till.status(arrives), await till.status(fails)) == ("paid", "failed")
    assert await till.told("completed-unpaid", fails) == "nothing_new"
    assert await till.ledger() == [PAID]


async def test_what_comes_out_of_order(till: Till) -> None:
    early, late, paid = [await till.begun() for _ in range(3)]
    assert await till.told("refunded", early, amount_refunded=2500) == "waits"
    assert await till.told("completed", early) == "done"
    assert await till.status(early) == "refunded"
    assert await till.told("expired", late) == "done"
    assert await till.told("completed", late) == "done"
    assert await till.told("completed", paid) == "done"
    for name in ("expired", "async-failed", "completed-unpaid"):
        assert await till.told(name, paid) == "nothing_new"
    assert await till.told("refunded", late, amount_refunded=900) == "done"
    assert await till.told("refunded", late, amount_refunded=400) == "nothing_new"
    assert (await till.status(late), await till.status(paid)) == ("paid", "paid")
    assert await till.ledger() == [PAID, ("refund", -2500), PAID, PAID, ("refund", -900)]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("completed", {"amount_total": 250_000}),
        ("completed", {"currency": "eur"}),
        ("completed", {"id": "cs_test_another"}),
        ("refunded", {"amount_refunded": 2501}),
        ("refunded", {"amount_refunded": -1}),
    ],
)
async def test_what_an_event_says_is_held_against_our_own_row(
    till: Till, name: str, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    top_up_id = await till.begun()
    assert await till.told(name, top_up_id, **changes) == "contradiction"
    assert "contradicts top-up" in caplog.text
    other = till.event("completed", top_up_id)
    other["data"]["object"]["metadata"]["bluelobster_account"] = str(uuid4())
    assert await till.tell(other) == "contradiction"
    assert (await till.ledger(), await till.status(top_up_id)) == ([], "open")


async def test_what_is_not_about_us_is_noted(till: Till) -> None:
    top_up_id = await till.begun()
    assert await till.told("balance-available", top_up_id) == "unknown_kind"
    assert await till.told("disputed", top_up_id) == "not_ours"
    theirs = till.event("completed", top_up_id, metadata={"order": "7"})
    assert await till.tell(theirs) == "not_ours"
    gone = till.event("completed", top_up_id)
    gone["data"]["object"]["metadata"]["bluelobster_top_up"] = str(uuid4())
    assert await till.tell(gone) == "not_ours"
    assert await till.cloud.one("select count(*) from payment_events") == 4
    assert await till.ledger() == []
    later = SetClock(till.cloud.parts.clock.now() + timedelta(days=399))
    await tidy_payments(till.cloud.parts.pool, later)
    assert await till.cloud.one("select count(*) from payment_events") == 4
    later.at += timedelta(days=2)
    await tidy_payments(till.cloud.parts.pool, later)
    assert await till.cloud.one("select count(*) from payment_events") == 0


async def test_stripe_makes_no_page(till: Till) -> None:
    for _ in range(2):
        till.fake.fails(500)
    refused = await till.begin(name="once")
    assert (refused.status_code, refused.json()["error"]) == (503, "payments_unavailable")
    assert (await till.begin(name="once")).status_code == 201
    page = (await till.cloud.customer.get("/billing/top-ups")).json()["top_ups"]
    assert [each["status"] for each in page] == ["open", "failed"]


class Dying:
    """A provider at which the process dies: the page is made, and nobody hears of it."""

    name = "stripe"

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def begin(self, order: Order) -> Checkout:
        await self.inner.begin(order)
        raise RuntimeError("the process died here")


async def test_a_process_that_dies_while_stripe_is_asked(till: Till) -> None:
    """Three times; the row ends by Stripe's event, by time, or by a payment that could not have been."""
    alive = till.cloud.app.state.payments
    till.cloud.app.state.payments = Dying(alive)
    for _ in range(3):
        assert (await till.begin(name="once")).status_code == 500
    till.cloud.app.state.payments = alive
    repeated = (await till.begin(name="once")).json()
    page = (await till.cloud.customer.get("/billing/top-ups")).json()["top_ups"]
    assert [(each["status"], each["url"]) for each in page] == [("open", repeated["url"]), *[("open", None)] * 3]
    told, left, paid = (each["id"] for each in page[1:])
    assert await till.told("expired", told, payment_intent=None) == "done"
    assert await till.told("completed", paid) == "done"
    now = till.cloud.parts.clock.now()
    await tidy_payments(till.cloud.parts.pool, SetClock(now + timedelta(hours=12, minutes=59)))
    assert await till.status(left) == "open"
    await tidy_payments(till.cloud.parts.pool, SetClock(now + timedelta(hours=13, minutes=1)))
    ended = [await till.status(each) for each in (told, left, paid, repeated["id"])]
    assert ended == ["expired", "expired", "paid", "expired"]
    assert (await till.shown(repeated["id"]))["url"] is None
    assert await till.ledger() == [PAID]


async def test_any_order_any_number_of_times(till: Till) -> None:
    """Each payment is in the ledger once, and what was handed back of it once, to the cent."""
    amounts = {await till.begun(500 + number): 500 + number for number in range(12)}
    random = Random(16)  # noqa: S311 - to mix deliveries
    deliveries = []
    for top_up_id, amount in amounts.items():
        back = random.choice((200, amount))
        events = [
            till.event("completed-unpaid", top_up_id, amount_total=amount),
            till.event("async-succeeded", top_up_id, amount_total=amount),
            till.event("completed", top_up_id, amount_total=amount),
            till.event("expired", top_up_id, amount_total=amount),
            till.event("refunded", top_up_id, amount=amount, amount_refunded=100),
            till.event("refunded", top_up_id, amount=amount, amount_refunded=back),
        ]
        amounts[top_up_id] = amount - back
        deliveries += events + random.sample(events, 3)
    random.shuffle(deliveries)
    for begin in range(0, len(deliveries), 8):
        await asyncio.gather(*(till.tell(event) for event in deliveries[begin : begin + 8]))
    for top_up_id, left in amounts.items():
        entries = await entries_of(till, top_up_id)
        assert [kind for kind, _ in entries].count("payment") == 1
        assert sum(cents for _, cents in entries) == left
        assert await till.status(top_up_id) == ("paid" if left else "refunded")
    balance = (await till.cloud.customer.get("/billing/balance")).json()["balance_cents"]
    assert balance == sum(amounts.values()) == sum(cents for _, cents in await till.ledger())


async def entries_of(till: Till, top_up_id: str) -> list[tuple[str, int]]:
    async with till.cloud.parts.pool.connection() as connection:
        cursor = await connection.execute(
            "select kind, amount_cents from ledger where reason ilike '%%top-up ' || %s", (top_up_id,)
        )
        return [(kind, cents) for kind, cents in await cursor.fetchall()]
