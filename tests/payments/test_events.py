"""Recorded events, as they are read."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from bluelobster.payments.provider import Told
from bluelobster.payments.stripe_events import notice_of
from payments.recorded import EVENTS, recorded

TOP_UP = UUID("0f0e0d0c-0b0a-4908-8706-050403020100")
ACCOUNT = "a0a1a2a3-a4a5-46a7-88a9-aaabacadaeaf"
SESSION, PAYMENT = "cs_test_recorded0001", "pi_recorded0001"

TOLD = {
    "completed": Told("paid", TOP_UP, ACCOUNT, SESSION, PAYMENT, 2500, "usd"),
    "completed-unpaid": Told("pending", TOP_UP, ACCOUNT, SESSION, PAYMENT, 2500, "usd"),
    "async-succeeded": Told("paid", TOP_UP, ACCOUNT, SESSION, PAYMENT, 2500, "usd"),
    "async-failed": Told("failed", TOP_UP, ACCOUNT, SESSION, PAYMENT, 2500, "usd"),
    "expired": Told("expired", TOP_UP, ACCOUNT, SESSION, None, 2500, "usd"),
    "refunded": Told("refunded", TOP_UP, ACCOUNT, None, PAYMENT, 2500, "usd", 1000),
    "disputed": Told("disputed", None, None, None, PAYMENT),
    "balance-available": None,
}


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_each_recorded_event_is_read(path: Path) -> None:
    read = notice_of(path.read_bytes())
    event = json.loads(path.read_text())
    assert (read.event_id, read.kind, read.told) == (event["id"], event["type"], TOLD[path.stem])


@pytest.mark.parametrize("metadata", [None, {}, {"order": "7"}, {"bluelobster_top_up": "not-a-uuid"}])
def test_a_session_of_somebody_else(metadata: dict[str, str] | None) -> None:
    event = recorded("completed")
    event["data"]["object"]["metadata"] = metadata
    told = notice_of(json.dumps(event).encode()).told
    assert told is not None
    assert (told.top_up_id, told.account_id) == (None, None)


@pytest.mark.parametrize("field", ["id", "payment_status", "amount_total", "currency"])
def test_an_event_without_what_matters_is_refused(field: str) -> None:
    event = recorded("completed")
    del event["data"]["object"][field]
    with pytest.raises(ValueError, match=field):
        notice_of(json.dumps(event).encode())


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"id": "", "type": "x", "data": {"object": {}}}']
)
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="Event"):
        notice_of(body)
