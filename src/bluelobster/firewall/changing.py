"""Changes of a firewall against its being carried over to another machine: each waits for the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.firewall.reach import Place
from bluelobster.http.errors import Conflict, Unavailable
from bluelobster.instances.find import instance_not_found

PATIENCE_SECONDS = 20.0
PAUSE_SECONDS = 0.2
LONGEST_CHANGE_SECONDS = 60.0
# Whoever began a change and never ended it died: by now it acts no more.
FORGOTTEN_SECONDS = 90


@asynccontextmanager
async def changing(pool: Pool, place: Place) -> AsyncIterator[Place]:
    """The place as it is now, and stays until the end of the block, in which the firewall may be changed. Raises
    NotFound, Unavailable after a minute, and Conflict where a restore holds the firewall for long."""
    change = uuid4()
    place = await _begin(pool, place, change)
    try:
        async with asyncio.timeout(LONGEST_CHANGE_SECONDS) as limit:
            yield place
    except TimeoutError as error:
        if not limit.expired():
            raise
        message = "The hypervisor does not answer at the moment; try again shortly"
        raise Unavailable("firewall_unavailable", message) from error
    finally:
        async with transaction(pool) as tx:
            await tx.execute("delete from firewall_changes where id = %s", (change,))


async def _begin(pool: Pool, place: Place, change: UUID) -> Place:
    waited = 0.0
    while True:
        async with transaction(pool) as tx:
            vmid = await _begun(tx, place, change)
        if vmid is not None:
            return replace(place, instance=replace(place.instance, vmid=vmid))
        if waited >= PATIENCE_SECONDS:
            raise Conflict("task_in_progress", "The instance is being restored at this moment; try again shortly")
        await asyncio.sleep(PAUSE_SECONDS)
        waited += PAUSE_SECONDS


async def _begun(tx: Tx, place: Place, change: UUID) -> int | None:
    """The number of the machine whose firewall it is; None while the firewall is held."""
    cursor = await tx.execute(
        "select vmid, firewall_held from instances where id = %s and ended_at is null for update", (place.instance.id,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise instance_not_found(str(place.instance.id))
    vmid, held = row
    if held:
        return None
    await tx.execute(
        "insert into firewall_changes (id, instance_id, began_at) values (%s, %s, clock_timestamp())",
        (change, place.instance.id),
    )
    return int(vmid)


async def hold(tx: Tx, instance_id: UUID, *, held: bool) -> None:
    """Let nobody begin to change the firewall, or let them again."""
    await tx.execute("update instances set firewall_held = %s where id = %s", (held, instance_id))


async def is_being_changed(tx: Tx, instance_id: UUID) -> bool:
    """Whether a change is under way; while the firewall is held, no other one begins."""
    await tx.execute(
        """delete from firewall_changes
           where instance_id = %s and began_at < clock_timestamp() - make_interval(secs => %s)""",
        (instance_id, FORGOTTEN_SECONDS),
    )
    cursor = await tx.execute("select exists (select from firewall_changes where instance_id = %s)", (instance_id,))
    row = await cursor.fetchone()
    return row is not None and bool(row[0])
