"""The route of an account's quotas."""

from fastapi import APIRouter

from bluelobster.access.route import Caller, IdentifiedRoute, Reading
from bluelobster.quotas.quota import read_quotas
from bluelobster.quotas.views import Quotas, quotas_view

router = APIRouter(prefix="/api/v1/quotas", tags=["ACCOUNT"], route_class=IdentifiedRoute)


@router.get("", summary="Quotas")
async def get_quotas(caller: Caller, tx: Reading) -> Quotas:
    """What the account has of everything that is limited, and how much it may have: instances, their vCPUs and memory
    in GB, GPUs by model, additional addresses, backups. What would exceed one answers 403 `quota_exceeded`. For keys of
    the whole account."""
    return quotas_view(await read_quotas(tx, caller.account_id))
