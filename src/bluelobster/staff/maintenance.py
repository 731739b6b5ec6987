"""Staff's routes of a host's maintenance."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from bluelobster.access.audit import telling
from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.catalog.maintenances import Maintenance, Stops, get_maintenance
from bluelobster.clock import rfc3339
from bluelobster.db.pool import Tx
from bluelobster.http.moments import Moment
from bluelobster.http.text import RequestBody
from bluelobster.instances.maintenance import affected, begin, end

router = APIRouter(
    prefix="/api/v1/admin/hosts/{host_id}/maintenance", tags=["ADMINISTRATION"], route_class=IdentifiedRoute
)


class MaintenanceRequest(RequestBody):
    """What is done to a host, and until when."""

    reason: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="What customers with machines there are told", json_schema_extra={"example": "new firmware"}
    )
    expected_end_at: Moment
    stop: Stops = Field(
        "none",
        description="Whether running machines are shut down, or, where their guests do not listen, switched off; they "
        "are started again when it is over",
    )


class MachineView(BaseModel):
    """An instance on the host."""

    instance_id: UUID
    account_id: UUID
    name: str
    status: str
    power_status: str
    stopped_by: Literal["shutdown", "force"] | None = Field(description="How it was stopped for this; null: it was not")


class MaintenanceView(BaseModel):
    """What is under way."""

    host_id: str
    reason: str
    stop: Stops
    began_at: str
    expected_end_at: str
    machines: list[MachineView]


@router.get("", summary="Maintenance of a host")
async def admin_get_maintenance(host_id: str, _caller: Caller, tx: Reading) -> MaintenanceView:
    """What is under way, and which machines still run."""
    return await view_of(tx, await get_maintenance(tx, host_id))


@router.put("", summary="Begin or change maintenance of a host")
async def admin_set_maintenance(
    host_id: str, wanted: MaintenanceRequest, _caller: Caller, tx: Transaction, clock: Time
) -> MaintenanceView:
    """Nothing new is placed there, and the host may be off. Machines stay, or are stopped if that is asked, those that
    are busy a little later."""
    telling(wanted)
    begun = await begin(tx, host_id, wanted.reason, wanted.expected_end_at, wanted.stop, clock.now())
    return await view_of(tx, begun)


@router.delete("", summary="End maintenance of a host", status_code=204)
async def admin_end_maintenance(host_id: str, _caller: Caller, tx: Transaction, clock: Time) -> None:
    """It is used as before, and the machines that were stopped for it are started again."""
    await end(tx, host_id, clock.now())


async def view_of(tx: Tx, maintenance: Maintenance) -> MaintenanceView:
    return MaintenanceView(
        host_id=maintenance.host_id,
        reason=maintenance.reason,
        stop=maintenance.stops,
        began_at=rfc3339(maintenance.began_at),
        expected_end_at=rfc3339(maintenance.expected_end_at),
        machines=[
            MachineView.model_validate({**vars(each), "instance_id": each.id, "stopped_by": each.asked})
            for each in await affected(tx, maintenance)
        ],
    )
