"""Hosts come on record, change and go: with what stands on them in mind."""

from collections.abc import Sequence
from datetime import datetime

from bluelobster.access.sealing import Seal
from bluelobster.catalog.hosts import Host, NewHost, find_host, save_host
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, InvalidRequest, NotFound

# What lives on a host, in words.
LIVING = """
    select count(*) filter (where thing = 'instance'), count(*) filter (where thing = 'machine that was replaced'),
           count(*) filter (where thing = 'backup')
    from (
      select 'instance' as thing from instances where living_on = %(host_id)s
      union all select 'machine that was replaced' from replaced_machines where host_id = %(host_id)s
      union all select 'backup' from backups where living_on = %(host_id)s) on_it"""
MACHINES = ("instances", "machines that were replaced")
THINGS = (*MACHINES, "backups")


async def get_host(tx: Tx, host_id: str) -> Host:
    """Raises NotFound."""
    host = await find_host(tx, host_id)
    if host is None:
        raise host_not_found(host_id)
    return host


def host_not_found(host_id: str) -> NotFound:
    return NotFound("host_not_found", f"There is no host {host_id[:64]}")


async def record_host(tx: Tx, new: NewHost, seal: Seal, now: datetime) -> None:
    """Put a host on record, or change what is there. Raises InvalidRequest for a node that is another host already, and
    Conflict where machines would be left behind."""
    await one_at_a_time(tx)
    await must_be_another_node(tx, new)
    await hold(tx, new.id)
    before = await find_host(tx, new.id)
    if before is not None and moves(before, new):
        await must_be_empty(tx, new.id, "its region, node and storage cannot change")
    await save_host(tx, new, seal, now)


async def one_at_a_time(tx: Tx) -> None:
    """Whoever adds or changes a host waits for whoever does so just now: a node is one host, and a name as well."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended('hosts', 0))")


async def must_be_another_node(tx: Tx, new: NewHost) -> None:
    """One node is one host: told by its certificate, or its address."""
    cursor = await tx.execute(
        "select id from hosts where node = %s and (fingerprint = %s or api_url = %s) and id <> %s",
        (new.node, new.endpoint.fingerprint, new.endpoint.url, new.id),
    )
    if row := await cursor.fetchone():
        raise InvalidRequest("node_on_record", f"this node is on record already, as host {row[0]}", field="node")


def moves(before: Host, after: NewHost) -> bool:
    """Whether machines of the host would then be looked for elsewhere."""
    return (before.region, before.node, before.storage) != (after.region, after.node, after.storage)


async def remove_host(tx: Tx, host_id: str) -> bool:
    """Forget a host with its GPUs and the images on it; False for an unknown one. Its backups pass to another host that
    reaches their storage. Raises Conflict where something still lives there."""
    if not await hold(tx, host_id):
        return False
    # Before its backups are touched: whoever restores one holds it, and wants the host.
    await must_be_empty(tx, host_id, "it cannot be removed", of=MACHINES)
    await tx.execute(
        """update backups b set host_id = other.id
           from hosts h join hosts other on other.region = h.region and other.backup_storage = h.backup_storage
                                        and other.id <> h.id
           where h.id = %s and b.host_id = h.id and b.storage = h.backup_storage and b.status = 'available'""",
        (host_id,),
    )
    await must_be_empty(tx, host_id, "it cannot be removed")
    await tx.execute("delete from hosts where id = %s", (host_id,))
    return True


async def hold(tx: Tx, host_id: str) -> bool:
    """Nobody places anything on a host until the end of `tx`; False for an unknown one."""
    cursor = await tx.execute("select from hosts where id = %s for update", (host_id,))
    return cursor.rowcount == 1


async def must_be_empty(tx: Tx, host_id: str, otherwise: str, *, of: Sequence[str] = THINGS) -> None:
    """Raises Conflict that says what is on it."""
    cursor = await tx.execute(LIVING, {"host_id": host_id})
    counts = await cursor.fetchone() or ()
    there = [f"{thing} ({count})" for thing, count in zip(THINGS, counts, strict=True) if count and thing in of]
    if there:
        raise Conflict("host_in_use", f"on host {host_id} there are {', '.join(there)}: {otherwise}")
