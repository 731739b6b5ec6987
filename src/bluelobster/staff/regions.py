"""Staff's routes of regions."""

from fastapi import APIRouter
from pydantic import Field

from bluelobster.access.audit import telling
from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Transaction
from bluelobster.catalog.regions import Region, list_regions, remove_region, save_region
from bluelobster.http.errors import NotFound
from bluelobster.http.text import RequestBody
from bluelobster.staff.views import Regions, RegionView
from bluelobster.staff.words import Name, Words

router = APIRouter(prefix="/api/v1/admin/regions", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)


class RegionRequest(RequestBody):
    """A region: new, or what is said of one that is there."""

    name: Name = Field(description="Its name, for good")
    description: Words
    city: Words
    state: Words
    country: Words


@router.get("", summary="List regions")
async def admin_list_regions(_caller: Caller, tx: Reading) -> Regions:
    """Where machines can be had."""
    return Regions(regions=[RegionView(**vars(each)) for each in await list_regions(tx)])


@router.put("", summary="Add or change a region")
async def admin_save_region(wanted: RegionRequest, _caller: Caller, tx: Transaction) -> RegionView:
    """A new region, or other words for one that is there."""
    telling(wanted)
    await save_region(tx, Region(**wanted.model_dump()))
    return RegionView(**wanted.model_dump())


@router.delete("/{region}", summary="Remove a region", status_code=204)
async def admin_remove_region(region: str, _caller: Caller, tx: Transaction) -> None:
    """One that has no hosts and no pools, and never had an instance."""
    if not await remove_region(tx, region):
        raise NotFound("region_not_found", "There is no such region")
