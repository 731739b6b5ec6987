"""Staff's routes of everybody's quotas."""

from fastapi import APIRouter
from pydantic import BaseModel

from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Transaction
from bluelobster.db.pool import Tx
from bluelobster.quotas.limit import list_limits
from bluelobster.quotas.limits import LimitRequest, limit

router = APIRouter(prefix="/api/v1/admin/quotas", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)


class LimitView(BaseModel):
    """The most of something; null: no limit."""

    quota: str
    limit: int | None


class Limits(BaseModel):
    """What accounts may have that have no limits of their own. `gpus` is of each model."""

    quotas: list[LimitView]


async def everybody_s(tx: Tx) -> Limits:
    return Limits(quotas=[LimitView(quota=each.name, limit=each.most) for each in await list_limits(tx, None)])


@router.get("", summary="Everybody's quotas")
async def admin_list_quotas(_caller: Caller, tx: Reading) -> Limits:
    """What customers' accounts may have, unless they have limits of their own."""
    return await everybody_s(tx)


@router.put("/{quota}", summary="Limit everybody")
async def admin_set_quota(quota: str, wanted: LimitRequest, _caller: Caller, tx: Transaction) -> Limits:
    """Of `instances`, `vcpus`, `memory_gb`, `gpus`, `addresses`, `backups`, or of a GPU model, as `gpus:A4000`."""
    await limit(tx, None, quota, wanted)
    return await everybody_s(tx)
