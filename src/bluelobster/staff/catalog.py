"""Staff's routes of what is sold and where: regions, hosts, GPUs, address pools, templates, prices."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, StrictBool

from bluelobster.access.route import Caller, IdentifiedRoute, Time, Transaction
from bluelobster.billing.prices import price_history
from bluelobster.catalog.gpus import list_gpus
from bluelobster.catalog.hosts import find_host, list_hosts, set_host_status
from bluelobster.catalog.regions import Region, list_regions, save_region
from bluelobster.catalog.templates import every_template, hide_template
from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound
from bluelobster.http.patterns import pattern
from bluelobster.http.text import RequestBody
from bluelobster.network.pools import list_pools
from bluelobster.staff import prices
from bluelobster.staff.prices import PriceRequest
from bluelobster.staff.views import (
    Gpus,
    GpuView,
    Hosts,
    HostView,
    Pools,
    PoolView,
    Prices,
    Regions,
    RegionView,
    Status,
    Templates,
    TemplateView,
    host_view,
    price_view,
)

router = APIRouter(prefix="/api/v1/admin", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)

Words = Annotated[str, Field(min_length=1, max_length=100)]
NAME = pattern(
    r"^[a-z0-9][a-z0-9-]{0,62}$",
    "Must have 1 to 63 lower-case letters, digits and hyphens, and not begin with a hyphen",
)


class RegionRequest(RequestBody):
    """A region: new, or what is said of one that is there."""

    name: Annotated[str, Field(pattern=NAME)] = Field(description="Its name, for good")
    description: Words
    city: Words
    state: Words
    country: Words


class HostRequest(RequestBody):
    """What a host is used for."""

    status: Status


class TemplateRequest(RequestBody):
    """Whether a template is offered."""

    hidden: StrictBool


@router.get("/regions", summary="List regions")
async def admin_list_regions(_caller: Caller, tx: Transaction) -> Regions:
    """Where machines can be had."""
    return Regions(regions=[RegionView(**vars(each)) for each in await list_regions(tx)])


@router.put("/regions", summary="Add or change a region")
async def admin_save_region(wanted: RegionRequest, _caller: Caller, tx: Transaction) -> RegionView:
    """A new region, or other words for one that is there."""
    await save_region(tx, Region(**wanted.model_dump()))
    return RegionView(**wanted.model_dump())


@router.get("/hosts", summary="List hosts")
async def admin_list_hosts(_caller: Caller, tx: Transaction) -> Hosts:
    """Proxmox VE nodes, what is promised on them and what of it is used. They are added where their token can be typed
    in: by `bluelobster admin host add`."""
    return Hosts(hosts=[host_view(each) for each in await list_hosts(tx)])


@router.patch("/hosts/{host_id}", summary="Change what a host is used for")
async def admin_change_host(host_id: str, wanted: HostRequest, _caller: Caller, tx: Transaction) -> HostView:
    """Place nothing new on it (`draining`), stop asking it (`offline`), or use it again (`active`)."""
    await set_host_status(tx, host_id, wanted.status)
    found = await find_host(tx, host_id)
    if found is None:
        raise NotFound("host_not_found", "There is no such host")
    return host_view(found)


@router.get("/gpus", summary="List GPUs")
async def admin_list_gpus(_caller: Caller, tx: Transaction) -> Gpus:
    """All devices, and who has them."""
    return Gpus(gpus=[GpuView(**vars(each)) for each in await list_gpus(tx)])


@router.get("/pools", summary="List address pools")
async def admin_list_pools(_caller: Caller, tx: Transaction) -> Pools:
    """The networks whose addresses are given to machines, and how full they are."""
    return Pools(pools=[PoolView.model_validate(vars(each)) for each in await list_pools(tx)])


@router.get("/templates", summary="List templates")
async def admin_list_templates(_caller: Caller, tx: Transaction) -> Templates:
    """Those that are offered, and those that are not."""
    return Templates(templates=[TemplateView(**vars(each)) for each in await every_template(tx)])


@router.patch("/templates/{template}", summary="Hide a template, or offer it again")
async def admin_change_template(
    template: str, wanted: TemplateRequest, _caller: Caller, tx: Transaction
) -> TemplateView:
    """Machines that were made from a template stay."""
    await hide_template(tx, template, wanted.hidden)
    found = next((each for each in await every_template(tx) if each.name == template), None)
    if found is None:
        raise NotFound("template_not_found", "There is no such template")
    return TemplateView(**vars(found))


@router.get("/prices", summary="List prices")
async def admin_list_prices(_caller: Caller, tx: Transaction) -> Prices:
    """Prices that were, are and will be, of all that is on sale."""
    return await all_prices(tx)


@router.put("/prices/{item}", summary="Change a price")
async def admin_change_price(item: str, wanted: PriceRequest, _caller: Caller, tx: Transaction, clock: Time) -> Prices:
    """Of an item, or of an hour of an instance type: for what is begun from then on."""
    await prices.change(tx, item, wanted, clock.now())
    return await all_prices(tx)


async def all_prices(tx: Tx) -> Prices:
    return Prices(prices=[price_view(each) for each in await price_history(tx)])
