"""Staff's routes of address pools: public ones, and those for private networks."""

from ipaddress import IPv4Address
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from bluelobster.access.audit import telling
from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Transaction
from bluelobster.http.ids import parsed_id
from bluelobster.http.text import RequestBody
from bluelobster.network.add_pool import InternalPool, PublicPool, add_internal_pool, add_public_pool
from bluelobster.network.pools import find_pool, list_pools, pool_not_found, remove_pool, withdraw_addresses
from bluelobster.staff.refused import refused
from bluelobster.staff.views import Pools, PoolView
from bluelobster.staff.words import Name

router = APIRouter(prefix="/api/v1/admin/pools", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)

Text = Annotated[str, Field(max_length=50)]
Tag = Annotated[int, Field(ge=2, le=4094)]
FIRST = "First address to give; else the first of the network"
LAST = "Last address to give; else the last of the network"


class PoolRequest(RequestBody):
    """A network of public addresses, or more addresses of one that is there."""

    region: Name
    network: Text = Field(json_schema_extra={"example": "192.0.2.0/24"})
    gateway: Text = Field(json_schema_extra={"example": "192.0.2.1"})
    first: Text | None = Field(None, description=FIRST)
    last: Text | None = Field(None, description=LAST)
    nameservers: Annotated[list[Text], Field(max_length=3)] = Field([], description="For the machines")


class InternalPoolRequest(RequestBody):
    """A network that each account of a region has one of, or more addresses of it."""

    region: Name
    network: Text = Field(json_schema_extra={"example": "10.90.0.0/20"})
    first_tag: Tag = Field(description="VLANs to use, one an account: from this one")
    last_tag: Tag = Field(description="… to this one")
    first: Text | None = Field(None, description=FIRST)
    last: Text | None = Field(None, description=LAST)


async def pool_id_of(pool_id: str) -> UUID:
    """Raises NotFound for what is no id."""
    if (known := parsed_id(pool_id)) is None:
        raise pool_not_found()
    return known


PoolId = Annotated[UUID, Depends(pool_id_of)]


@router.get("", summary="List address pools")
async def admin_list_pools(_caller: Caller, tx: Reading) -> Pools:
    """The networks whose addresses are given to machines, and how full they are."""
    return Pools(pools=[PoolView.model_validate(vars(each)) for each in await list_pools(tx)])


@router.post("", summary="Add public addresses", status_code=201)
async def admin_add_pool(wanted: PoolRequest, _caller: Caller, tx: Transaction) -> PoolView:
    """A network of a region, or more addresses of it: addresses that it has stay as they are."""
    telling(wanted)
    with refused():
        added = await add_public_pool(tx, PublicPool(**wanted.model_dump()))
    return PoolView.model_validate(vars(await find_pool(tx, added.id)))


@router.post("/internal", summary="Add a pool for private networks", status_code=201)
async def admin_add_internal_pool(wanted: InternalPoolRequest, _caller: Caller, tx: Transaction) -> PoolView:
    """Machines are on their account's network where their host has an internal bridge."""
    telling(wanted)
    with refused():
        added = await add_internal_pool(tx, InternalPool(**wanted.model_dump()))
    return PoolView.model_validate(vars(await find_pool(tx, added.id)))


@router.delete("/{pool_id}", summary="Remove an address pool", status_code=204)
async def admin_remove_pool(pool_id: PoolId, _caller: Caller, tx: Transaction) -> None:
    """Once no machine has one of its addresses."""
    await remove_pool(tx, pool_id)


@router.delete("/{pool_id}/addresses", summary="Remove addresses from a pool")
async def admin_remove_addresses(
    pool_id: PoolId,
    _caller: Caller,
    tx: Transaction,
    first: Annotated[IPv4Address, Query(description="From this one …")],
    last: Annotated[IPv4Address, Query(description="… to this one")],
) -> PoolView:
    """Once no machine has one of them. The pool stays."""
    await withdraw_addresses(tx, pool_id, first, last)
    return PoolView.model_validate(vars(await find_pool(tx, pool_id)))
