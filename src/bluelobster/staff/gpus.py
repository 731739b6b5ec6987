"""Staff's routes of GPUs: models, and the devices of hosts."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from bluelobster.access.audit import telling
from bluelobster.access.route import Caller, Database, IdentifiedRoute, Opener, Reading, Transaction
from bluelobster.catalog.connections import Connections
from bluelobster.catalog.gpus import (
    GpuModel,
    list_gpu_models,
    list_gpus,
    must_have_mappings,
    remove_gpu,
    remove_gpu_model,
    save_gpu,
    save_gpu_model,
)
from bluelobster.catalog.host_records import get_host
from bluelobster.http.errors import NotFound
from bluelobster.http.text import RequestBody
from bluelobster.instances.routes import connections_of
from bluelobster.staff.refused import refused
from bluelobster.staff.views import GpuModels, GpuModelView, Gpus, GpuView
from bluelobster.staff.words import Identifier, Words

router = APIRouter(prefix="/api/v1/admin", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)

MOST = 64


class GpuModelRequest(RequestBody):
    """A model: new, or what is said of one that is there."""

    name: Identifier = Field(description="Its name, for good", json_schema_extra={"example": "A4000"})
    marketing: Words = Field(description="As instances show it", json_schema_extra={"example": "RTX A4000"})
    description: Words = Field(
        description="As types show it", json_schema_extra={"example": "NVIDIA RTX A4000 (16GB VRAM)"}
    )


class GpusRequest(RequestBody):
    """Devices of a host."""

    model: Identifier
    mappings: Annotated[list[Identifier], Field(min_length=1, max_length=MOST)] = Field(
        description="Resource mappings of Proxmox VE, one for each device"
    )


@router.get("/gpu-models", summary="List GPU models")
async def admin_list_gpu_models(_caller: Caller, tx: Reading) -> GpuModels:
    """What devices and instance types may be of."""
    return GpuModels(gpu_models=[GpuModelView(**vars(each)) for each in await list_gpu_models(tx)])


@router.put("/gpu-models", summary="Add or change a GPU model")
async def admin_save_gpu_model(wanted: GpuModelRequest, _caller: Caller, tx: Transaction) -> GpuModelView:
    """A new model, or other words for one that is there."""
    telling(wanted)
    await save_gpu_model(tx, GpuModel(**wanted.model_dump()))
    return GpuModelView(**wanted.model_dump())


@router.delete("/gpu-models/{model}", summary="Remove a GPU model", status_code=204)
async def admin_remove_gpu_model(model: str, _caller: Caller, tx: Transaction) -> None:
    """One that no device, no type and no quota is of, and no instance ever was."""
    if not await remove_gpu_model(tx, model):
        raise NotFound("gpu_model_not_found", "There is no such GPU model")


@router.get("/gpus", summary="List GPUs")
async def admin_list_gpus(_caller: Caller, tx: Reading) -> Gpus:
    """All devices, and who has them."""
    return Gpus(gpus=[GpuView(**vars(each)) for each in await list_gpus(tx)])


@router.post("/hosts/{host_id}/gpus", summary="Add GPUs to a host", status_code=201)
async def admin_add_gpus(
    host_id: str,
    wanted: GpusRequest,
    _caller: Caller,
    pool: Database,
    begin: Opener,
    hosts: Annotated[Connections, Depends(connections_of)],
) -> Gpus:
    """The host is asked whether it has these resource mappings. One that is on record already gets another model."""
    telling(wanted)
    async with pool.connection() as connection:
        host = await get_host(connection, host_id)
    await must_have_mappings(await hosts.to_host(host), host_id, wanted.mappings)
    async with begin() as tx:
        with refused():
            for mapping in sorted(wanted.mappings):
                await save_gpu(tx, host_id, wanted.model, mapping)
        return Gpus(gpus=[GpuView(**vars(each)) for each in await list_gpus(tx) if each.host_id == host_id])


@router.delete("/hosts/{host_id}/gpus/{mapping}", summary="Remove a GPU from a host", status_code=204)
async def admin_remove_gpu(host_id: str, mapping: str, _caller: Caller, tx: Transaction) -> None:
    """One that no machine has."""
    if not await remove_gpu(tx, host_id, mapping):
        raise NotFound("gpu_not_found", "There is no such GPU on this host")
