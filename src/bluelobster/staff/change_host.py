"""Hosts that staff adds, changes and looks at: asked first, outside of any transaction, and then written down."""

from dataclasses import dataclass, replace

from bluelobster.access.audit import telling
from bluelobster.access.route import Open
from bluelobster.access.sealing import Seal
from bluelobster.catalog.host_check import check, wish_of
from bluelobster.catalog.host_records import get_host, hold, one_at_a_time, record_host
from bluelobster.catalog.hosts import Host, NewHost, find_host, set_host_status, set_internal_bridge
from bluelobster.catalog.regions import list_regions
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx
from bluelobster.http.errors import Conflict, InvalidRequest
from bluelobster.staff.host_request import HostRequest, NewHostRequest
from bluelobster.staff.refused import refused
from bluelobster.staff.views import CheckedHostView, HostView, checked_host_view, host_view


@dataclass(frozen=True)
class Desk:
    """What it takes to deal with a host. `begin` opens the request's transaction."""

    pool: Pool
    begin: Open
    seal: Seal
    clock: Clock


async def add_host(desk: Desk, wanted: NewHostRequest) -> CheckedHostView:
    """Add a host. Raises InvalidRequest where it cannot serve us, and Conflict where it does not answer."""
    telling(wanted)
    async with desk.pool.connection() as connection:
        await must_be_new(connection, wanted.id)
        await must_be_region(connection, wanted.region)
    checked = await check(wanted.wish())
    async with desk.begin() as tx:
        await one_at_a_time(tx)
        await must_be_new(tx, wanted.id)
        with refused():
            await record_host(tx, checked.host, desk.seal, desk.clock.now())
        await set_internal_bridge(tx, wanted.id, wanted.internal_bridge)
        return checked_host_view(await get_host(tx, wanted.id), checked)


async def change_host(desk: Desk, host_id: str, wanted: HostRequest) -> HostView:
    """Change what is said of a host. Raises NotFound, Conflict where somebody else changed it meanwhile, and as
    `add_host`."""
    telling(wanted)
    async with desk.pool.connection() as connection:
        before = await get_host(connection, host_id)
        if wanted.region is not None:
            await must_be_region(connection, wanted.region)
    changed = await checked_change(wanted, before, desk.seal) if wanted.asks else None
    async with desk.begin() as tx:
        if changed is not None:
            await hold(tx, host_id)
            must_be_as_before(await get_host(tx, host_id), before)
            with refused():
                await record_host(tx, changed, desk.seal, desk.clock.now())
        if "internal_bridge" in wanted.model_fields_set:
            await set_internal_bridge(tx, host_id, wanted.internal_bridge)
        if wanted.status is not None:
            await set_host_status(tx, host_id, wanted.status)
        return host_view(await get_host(tx, host_id))


def must_be_as_before(now: Host, before: Host) -> None:
    """Raises Conflict: what the host was asked by would be written over what somebody else says."""
    if said_of(now) != said_of(before):
        raise Conflict("host_changed", "Somebody else changed the host meanwhile; look at it and try again")


def said_of(host: Host) -> Host:
    """A host without what changes by itself, and what is changed by itself."""
    unused = replace(host, vcpus_used=0, memory_gb_used=0, disk_gb_used=0)
    return replace(unused, seen_at=None, firewall=None, status="", internal_bridge=None)


async def checked_change(wanted: HostRequest, before: Host, seal: Seal) -> NewHost:
    """The host as it will be, once it was asked."""
    checked = await check(wanted.wish(before, seal))
    return replace(checked.host, capacity=wanted.promised(before, checked.host.capacity), ssh_port=before.ssh_port)


async def check_host(desk: Desk, host_id: str) -> CheckedHostView:
    """What a host says now; nothing changes. Raises as `add_host`, for what would keep it from being added."""
    async with desk.pool.connection() as connection:
        host = await get_host(connection, host_id)
    return checked_host_view(host, await check(wish_of(host, desk.seal)))


async def must_be_new(tx: Tx, host_id: str) -> None:
    """Raises InvalidRequest for a name that a host has."""
    if await find_host(tx, host_id) is not None:
        raise InvalidRequest("name_taken", f"There is a host {host_id} already")


async def must_be_region(tx: Tx, name: str) -> None:
    """Raises InvalidRequest for a region that is not there."""
    if name not in {each.name for each in await list_regions(tx)}:
        raise InvalidRequest("invalid_request", f"region: there is no region {name}", field="region")
