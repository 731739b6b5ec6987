"""What can be launched: templates, and instance types with the regions that have room for them."""

from typing import Any

from fastapi import APIRouter

from bluelobster.access.route import MARKED, Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.catalog import templates, types
from bluelobster.catalog.resources import resources

staff_router = APIRouter(prefix="/api/v1", tags=["RESOURCES"], route_class=IdentifiedRoute)
router = APIRouter(prefix="/api/v1/instances", tags=["INSTANCES"], route_class=IdentifiedRoute, dependencies=MARKED)


@router.get("/templates", summary="Available templates")
async def list_templates(_caller: Caller, tx: Reading) -> Any:
    """The operating systems that a machine can be launched with."""
    found = [templates.template_view(template) for template in await templates.list_templates(tx)]
    return {"templates": found, "total": len(found)}


@router.get("/available", summary="Instance types and where they are available")
async def get_available_instances(_caller: Caller, tx: Reading, clock: Time) -> Any:
    """Every instance type with its size and price, and the regions that have room for one now."""
    return {"data": await types.available(tx, clock.now())}


@staff_router.get("/resources", summary="Free capacity of each host")
async def get_resources(_caller: Caller, tx: Transaction) -> Any:
    """What each host has left for a custom launch. For staff."""
    return {"hosts": await resources(tx)}
