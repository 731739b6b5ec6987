"""Prices as the API shows them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from bluelobster.billing.prices import INSTANCE_HOUR, Price, price_history
from bluelobster.clock import rfc3339
from bluelobster.db.pool import Tx

Unit = Literal["hour", "month", "GB-month"]
UNITS: dict[str, Unit] = {INSTANCE_HOUR: "hour", "ip_address_month": "month", "backup_gb_month": "GB-month"}


class Change(BaseModel):
    """A price that will hold from a moment on, for what is begun then."""

    cents: int
    since: str


class Offer(BaseModel):
    """What something costs that is begun now."""

    item: str = Field(examples=[INSTANCE_HOUR])
    instance_type: str | None = Field(description="Of an hour of an instance", examples=["gpu_1x_a4000"])
    cents: int
    unit: Unit = Field(description="A month has 730 hours; a GB is 2^30 bytes")
    planned: list[Change] = Field(description="Changes to come, in order")


class PriceList(BaseModel):
    """Prices in whole US cents. What runs keeps the price that it was begun at."""

    prices: list[Offer]


async def price_list(tx: Tx, now: datetime) -> PriceList:
    """What everything on sale costs now, and what it will cost."""
    offers: dict[str, Offer] = {}
    for price in await price_history(tx):
        if price.holds(now):
            offers[price.name] = offer(price)
        elif price.since is not None and price.since > now and price.name in offers:
            offers[price.name].planned.append(Change(cents=price.cents, since=rfc3339(price.since)))
    return PriceList(prices=list(offers.values()))


def offer(price: Price) -> Offer:
    return Offer(
        item=price.item, instance_type=price.instance_type, cents=price.cents, unit=UNITS[price.item], planned=[]
    )
