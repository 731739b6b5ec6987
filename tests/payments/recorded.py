"""Events as Stripe sends them: the shapes are those of its documentation, the values are made up."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from bluelobster.payments.signature import signature_of

EVENTS = Path(__file__).with_name("events")


def recorded(name: str) -> dict[str, Any]:
    """An event as it was written down."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def about(name: str, top_up_id: str, account_id: str, event_id: str, **changes: Any) -> dict[str, Any]:
    """The event, about a top-up of ours; `changes` are of the object in it."""
    event = recorded(name)
    ours = {"bluelobster_top_up": top_up_id, "bluelobster_account": account_id}
    found = event["data"]["object"]
    if found.get("metadata"):
        found["metadata"] = ours
    found.update(changes)
    return {**event, "id": event_id}


def header(body: bytes, secret: str, at: datetime) -> str:
    moment = str(int(at.timestamp()))
    return f"t={moment},v1={signature_of(body, moment, secret)},v0=00"
