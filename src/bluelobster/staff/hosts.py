"""Staff's routes of hosts."""

from typing import Annotated

from fastapi import APIRouter, Depends

from bluelobster.access.route import Caller, Database, IdentifiedRoute, Opener, Reading, Time, Transaction
from bluelobster.access.sealing import Seal
from bluelobster.catalog.host_records import get_host, host_not_found, remove_host
from bluelobster.catalog.hosts import list_hosts
from bluelobster.instances.routes import seal_of
from bluelobster.staff import change_host
from bluelobster.staff.change_host import Desk
from bluelobster.staff.host_request import HostRequest, NewHostRequest
from bluelobster.staff.views import CheckedHostView, Hosts, HostView, host_view

router = APIRouter(prefix="/api/v1/admin/hosts", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)


async def desk_of(pool: Database, begin: Opener, seal: Annotated[Seal, Depends(seal_of)], clock: Time) -> Desk:
    return Desk(pool, begin, seal, clock)


AtDesk = Annotated[Desk, Depends(desk_of)]


@router.get("", summary="List hosts")
async def admin_list_hosts(_caller: Caller, tx: Reading) -> Hosts:
    """Proxmox VE nodes, what is promised on them and what of it is used."""
    return Hosts(hosts=[host_view(each) for each in await list_hosts(tx)])


@router.post("", summary="Add a host", status_code=201)
async def admin_add_host(wanted: NewHostRequest, _caller: Caller, desk: AtDesk) -> CheckedHostView:
    """The node is asked for its size, and its certificate, its token's rights and its storages are checked."""
    return await change_host.add_host(desk, wanted)


@router.get("/{host_id}", summary="A host")
async def admin_get_host(host_id: str, _caller: Caller, tx: Reading) -> HostView:
    """A node, what is promised on it and what of it is used."""
    return host_view(await get_host(tx, host_id))


@router.patch("/{host_id}", summary="Change a host")
async def admin_change_host(host_id: str, wanted: HostRequest, _caller: Caller, desk: AtDesk) -> HostView:
    """Place nothing new on it (`draining`), stop asking it (`offline`), or use it again (`active`); or change how it is
    reached and what may be promised on it: then it is asked first, as when it was added."""
    return await change_host.change_host(desk, host_id, wanted)


@router.delete("/{host_id}", summary="Remove a host", status_code=204)
async def admin_remove_host(host_id: str, _caller: Caller, tx: Transaction) -> None:
    """Once nothing lives on it. Its GPUs go with it; its backups pass to another host that reaches their storage."""
    if not await remove_host(tx, host_id):
        raise host_not_found(host_id)


@router.post("/{host_id}/check", summary="Ask a host what it has")
async def admin_check_host(host_id: str, _caller: Caller, desk: AtDesk) -> CheckedHostView:
    """What it says now, checked as when it was added; nothing changes."""
    return await change_host.check_host(desk, host_id)
