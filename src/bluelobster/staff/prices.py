"""Prices that staff changes."""

from datetime import datetime

from pydantic import Field

from bluelobster.billing.prices import ITEMS, set_price, set_type_price
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.http.moments import Moment
from bluelobster.http.text import RequestBody


class PriceRequest(RequestBody):
    """What something costs that is begun from a moment on."""

    cents: int = Field(ge=0, le=2**31 - 1, description="US cents: an hour, a month, or a month of a GB")
    since: Moment | None = Field(None, description="From when on, with its time zone; else now")


async def change(tx: Tx, item: str, wanted: PriceRequest, now: datetime) -> None:
    """Change the price of an item, or of an hour of an instance type. Raises NotFound, and InvalidRequest for a moment
    that is past."""
    since = wanted.since or now
    if since < now:
        raise InvalidRequest("invalid_request", "since: what is past cannot cost something else")
    known = next((each for each in ITEMS if each == item), None)
    if known is not None:
        await set_price(tx, known, wanted.cents, since)
    elif not await set_type_price(tx, item, wanted.cents, since):
        raise NotFound("price_not_found", "There is no such item or instance type")
