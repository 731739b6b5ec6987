"""What is asked of Stripe, and what is done when it does not answer as it should."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from bluelobster.payments.provider import CannotBegin, Order
from bluelobster.payments.stripe import Stripe, StripeAccount, stripe
from payments.fake_stripe import SECRET_KEY, FakeStripe, running_stripe


@pytest.fixture
async def fake() -> AsyncIterator[FakeStripe]:
    async with running_stripe() as running:
        yield running


@pytest.fixture
async def adapter(fake: FakeStripe) -> AsyncIterator[Stripe]:
    async with stripe(account(fake), pauses=(0.0, 0.0)) as connected:
        yield connected


def account(fake: FakeStripe, secret_key: str = SECRET_KEY) -> StripeAccount:
    return StripeAccount(secret_key, ("whsec_one",), "https://cloud.example.com/paid?a=1&b=å", None, fake.url)


def order() -> Order:
    return Order(uuid4(), uuid4(), 2500, datetime.now(UTC) + timedelta(hours=12))


async def test_a_session_is_asked_for_as_stripe_wants_it(fake: FakeStripe, adapter: Stripe) -> None:
    wanted = order()
    made = await adapter.begin(wanted)
    assert (made.session_id, made.url) == ("cs_test_1", "https://checkout.example.com/c/pay/cs_test_1#fid")
    [asked] = fake.asked
    assert asked["line_items[0][price_data][unit_amount]"] == "2500"
    assert asked["line_items[0][price_data][currency]"] == "usd"
    assert asked["adaptive_pricing[enabled]"] == "false"
    assert asked["success_url"] == "https://cloud.example.com/paid?a=1&b=å"
    assert asked["client_reference_id"] == asked["metadata[bluelobster_top_up]"] == str(wanted.top_up_id)
    assert asked["payment_intent_data[metadata][bluelobster_account]"] == str(wanted.account_id)


async def test_what_may_have_been_lost_is_asked_again_and_made_once(fake: FakeStripe, adapter: Stripe) -> None:
    fake.drops()
    fake.fails(503)
    wanted = order()
    assert (await adapter.begin(wanted)).session_id == "cs_test_1"
    assert len(fake.asked) == 3
    assert set(fake.keys) == {f"bluelobster-top-up-{wanted.top_up_id}"}
    assert (await adapter.begin(order())).session_id == "cs_test_2"


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (402, 1), (409, 3), (429, 3), (500, 3)])
async def test_refusals(fake: FakeStripe, adapter: Stripe, status: int, attempts: int) -> None:
    for _ in range(3):
        fake.fails(status)
    with pytest.raises(CannotBegin, match=f"status {status} api_error .request req_recorded."):
        await adapter.begin(order())
    assert len(fake.asked) == attempts


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "cs_1"}', '{"id": "cs_1", "url": null}'])
async def test_an_answer_without_a_page(fake: FakeStripe, adapter: Stripe, text: str) -> None:
    fake.says(text)
    with pytest.raises(CannotBegin, match="no usable"):
        await adapter.begin(order())


async def test_a_wrong_key_is_not_told_on(fake: FakeStripe, caplog: pytest.LogCaptureFixture) -> None:
    async with stripe(account(fake, "sk_test_wrong"), pauses=()) as adapter:
        with pytest.raises(CannotBegin, match="401") as refused:
            await adapter.begin(order())
    assert "sk_test" not in str(refused.value) + caplog.text + repr(account(fake))


async def test_silence_ends(fake: FakeStripe) -> None:
    fake.hangs()
    fake.hangs()
    async with httpx.AsyncClient(base_url=fake.url, timeout=0.1) as http:
        with pytest.raises(CannotBegin, match="ReadTimeout"):
            await Stripe(account(fake), http, (0.0,)).begin(order())
    assert len(fake.asked) == 2
