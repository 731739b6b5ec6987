"""Staff's routes of prices."""

from fastapi import APIRouter
from pydantic import Field

from bluelobster.access.audit import telling
from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.billing.prices import change_price, price_history
from bluelobster.db.pool import Tx
from bluelobster.http.moments import Moment
from bluelobster.http.text import RequestBody
from bluelobster.staff.views import Prices, price_view

router = APIRouter(prefix="/api/v1/admin/prices", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)


class PriceRequest(RequestBody):
    """What something costs that is begun from a moment on."""

    cents: int = Field(ge=0, le=2**31 - 1, description="US cents: an hour, a month, or a month of a GB")
    since: Moment | None = Field(None, description="From when on, with its time zone; else now")


@router.get("", summary="List prices")
async def admin_list_prices(_caller: Caller, tx: Reading) -> Prices:
    """Prices that were, are and will be, of all that is on sale."""
    return await all_prices(tx)


@router.put("/{item}", summary="Change a price")
async def admin_change_price(item: str, wanted: PriceRequest, _caller: Caller, tx: Transaction, clock: Time) -> Prices:
    """Of an item, or of an hour of an instance type: for what is begun from then on."""
    telling(wanted)
    await change_price(tx, item, wanted.cents, wanted.since, clock.now())
    return await all_prices(tx)


async def all_prices(tx: Tx) -> Prices:
    return Prices(prices=[price_view(each) for each in await price_history(tx)])
