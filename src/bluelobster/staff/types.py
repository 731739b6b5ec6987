"""Staff's routes of instance types."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, StrictBool, model_validator

from bluelobster.access.audit import telling
from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.catalog.types import InstanceType, every_type, find_type, hold_types, retire_type, save_type
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.http.text import RequestBody
from bluelobster.staff.refused import refused
from bluelobster.staff.views import Types, TypeView
from bluelobster.staff.words import Identifier, Words

router = APIRouter(prefix="/api/v1/admin/instance-types", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)

MOST = 2**20
Count = Annotated[int, Field(ge=1, le=MOST)]


class NewTypeRequest(RequestBody):
    """A size that is to be sold."""

    name: Identifier = Field(description="Its name, for good", json_schema_extra={"example": "gpu_1x_a4000"})
    description: Words
    gpu_description: Words = "N/A - CPU Only"
    price_cents_per_hour: int = Field(ge=0, le=2**31 - 1, description="To begin with; then it is one of the prices")
    vcpus: Count
    memory_gb: Count
    disk_gb: Count
    gpus: Annotated[int, Field(ge=0, le=16)] = 0
    gpu_model: Identifier | None = None

    @model_validator(mode="after")
    def _gpus_have_a_model(self) -> "NewTypeRequest":
        if (self.gpus == 0) != (self.gpu_model is None):
            raise ValueError("gpus and gpu_model go together")
        return self


class TypeRequest(RequestBody):
    """What is to be different about a type, for machines launched from then on. What is not said stays."""

    description: Words | None = None
    gpu_description: Words | None = None
    vcpus: Count | None = None
    memory_gb: Count | None = None
    disk_gb: Count | None = None
    retired: StrictBool | None = Field(None, description="Whether it is not sold any more; machines that have it stay")


@router.get("", summary="List instance types")
async def admin_list_types(_caller: Caller, tx: Reading, clock: Time) -> Types:
    """Those that are sold and those that are not any more, at their prices now."""
    return Types(instance_types=[TypeView(**vars(each)) for each in await every_type(tx, clock.now())])


@router.post("", summary="Make an instance type", status_code=201)
async def admin_create_type(wanted: NewTypeRequest, _caller: Caller, tx: Transaction, clock: Time) -> TypeView:
    """It is sold from now on. A type that was retired is sold again by a change of it."""
    telling(wanted)
    await hold_types(tx)
    if await find_type(tx, wanted.name, clock.now()) is not None:
        raise InvalidRequest("name_taken", f"There is an instance type {wanted.name} already")
    with refused():
        await save_type(tx, InstanceType(**wanted.model_dump()))
    return TypeView(**wanted.model_dump(), retired=False)


@router.patch("/{instance_type}", summary="Change, retire or sell an instance type again")
async def admin_change_type(
    instance_type: str, wanted: TypeRequest, _caller: Caller, tx: Transaction, clock: Time
) -> TypeView:
    """For machines launched from now on: those that run keep the size and price they were launched with. Its price is
    changed with the prices, and what GPUs it has not at all."""
    telling(wanted)
    await hold_types(tx)
    before = await find_type(tx, instance_type, clock.now())
    if before is None:
        raise NotFound("instance_type_not_found", "There is no such instance type")
    after = TypeView.model_validate({**vars(before), **wanted.model_dump(exclude_none=True)})
    await save_type(tx, InstanceType(**after.model_dump(exclude={"retired"})))
    if after.retired:
        await retire_type(tx, instance_type)
    return after
