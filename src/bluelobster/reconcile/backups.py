"""What backup storages list, against the backups that are on our record.

Records say whose a backup is. What vanished from its storage is lost; what bears our mark and is on no record belongs
to the account of the instance that the mark names; and what we told somebody is gone has to go.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.backups.mark import Mark, mark_of, without_mark
from bluelobster.billing.backup_usage import begin_backup_usage, end_backup_usage
from bluelobster.catalog.connections import Connections
from bluelobster.catalog.hosts import Host, list_hosts
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.events.record import SYSTEM, BackupKind, record_instance
from bluelobster.pve import BackupVolume, PveClient, errors
from bluelobster.reconcile.one_of_many import AT_ONCE, one_of_many

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 60.0
# A long list is slow, and what nobody wants any more is removed on the way.
STORAGE_SECONDS = 600.0


@dataclass(frozen=True)
class OnRecord:
    """A backup that should be in a storage."""

    id: UUID
    volid: str
    status: str
    protected: bool


@dataclass(frozen=True)
class Place:
    """A backup storage: hosts of a region that have one under the same name share it."""

    region: str
    storage: str


async def reconcile_backups(pool: Pool, connections: Connections, clock: Clock) -> None:
    """Look at every backup storage once, through the first of its hosts that answers."""
    async with pool.connection() as connection:
        hosts = await list_hosts(connection)
    places: dict[Place, list[Host]] = {}
    for host in hosts:
        if host.backup_storage is not None and host.status not in {"offline", "maintenance"}:
            places.setdefault(Place(host.region, host.backup_storage), []).append(host)
    turn = asyncio.Semaphore(AT_ONCE)

    async def look_at(place: Place, ways: list[Host]) -> None:
        for host in ways:
            async with turn, one_of_many(f"storage {place.storage} on host {host.id}", STORAGE_SECONDS):
                await reconcile_storage(pool, await connections.to_host(host), host, place, clock)
                return

    await asyncio.gather(*(look_at(place, ways) for place, ways in places.items()))


async def reconcile_storage(pool: Pool, client: PveClient, host: Host, place: Place, clock: Clock) -> None:
    """Bring our record and a storage together. Raises PveError."""
    async with pool.connection() as connection:
        before = await on_record(connection, place)
    volumes = {volume.volid: volume for volume in await client.backup_volumes(place.storage)}
    gone = [each for each in before if each.volid not in volumes and await is_gone(client, place, each)]
    for backup in gone:
        async with transaction(pool) as tx:
            await lose(tx, backup, clock.now())
    known = {each.volid for each in before}
    strays = [
        (volume, mark) for volume in volumes.values() if volume.volid not in known and (mark := mark_of(volume.notes))
    ]
    for volume, mark in strays:
        async with transaction(pool) as tx:
            unwanted = await take_in(tx, host, place, volume, mark, clock.now())
        if unwanted:
            log.warning("host %s: %s is what was left of a backup, and is removed", host.id, volume.volid)
            await remove(client, place, volume)
    async with transaction(pool) as tx:
        await note_protection(tx, before, volumes)


async def on_record(tx: Tx, place: Place) -> Sequence[OnRecord]:
    async with tx.cursor(row_factory=class_row(OnRecord)) as cursor:
        await cursor.execute(
            """select b.id, b.volid, b.status, b.protected from backups b join hosts h on h.id = b.host_id
               where h.region = %s and b.storage = %s and b.status in ('available', 'deleting')""",
            (place.region, place.storage),
        )
        return await cursor.fetchall()


async def is_gone(client: PveClient, place: Place, backup: OnRecord) -> bool:
    """Whether the storage says so when it is asked for this one: a list leaves out what a token may not see."""
    try:
        await client.volume_attributes(place.storage, backup.volid)
    except errors.VolumeNotFound:
        return True
    return False


async def lose(tx: Tx, backup: OnRecord, now: datetime) -> None:
    """It is not there any more, unless it was just deleted as it should be. It costs nothing from now on."""
    cursor = await tx.execute(
        """update backups set status = 'lost', ended_at = %s
           where id = %s and status = 'available' returning instance_id""",
        (now, backup.id),
    )
    row = await cursor.fetchone()
    if row is not None:
        log.error("backup %s is not in its storage any more", backup.volid)
        await end_backup_usage(tx, backup.id, now)
        await tell(tx, "backup.lost", row[0], backup.id, backup.volid, now)


async def take_in(tx: Tx, host: Host, place: Place, volume: BackupVolume, mark: Mark, now: datetime) -> bool:
    """Deal with a volume of ours that no live record is about; whether it has to be removed."""
    cursor = await tx.execute("select status, instance_id from backups where id = %s for update", (mark.backup_id,))
    row = await cursor.fetchone()
    status, instance_id = row or (None, mark.instance_id)
    if status in ("failed", "deleted"):
        return True
    if status == "lost":
        await find_again(tx, host, volume, mark.backup_id)
    elif status is not None or not await adopt(tx, host, place, volume, mark):
        return False
    await begin_backup_usage(tx, mark.backup_id, now)
    await tell(tx, "backup.found", instance_id, mark.backup_id, volume.volid, now)
    log.warning("host %s: backup %s was found in its storage", host.id, volume.volid)
    return False


async def find_again(tx: Tx, host: Host, volume: BackupVolume, backup_id: UUID) -> None:
    """The host that it was made on may be gone."""
    await tx.execute(
        """update backups set status = 'available', ended_at = null, host_id = %s, volid = %s, size_bytes = %s
           where id = %s""",
        (host.id, volume.volid, volume.size_bytes, backup_id),
    )


async def adopt(tx: Tx, host: Host, place: Place, volume: BackupVolume, mark: Mark) -> bool:
    """Whether it could be: there is an instance that its mark names. How big its disk was is not known; it is taken
    for as big as the instance's is, or was last."""
    done = await tx.execute(
        """insert into backups (id, account_id, instance_id, host_id, vmid, storage, volid, status, protected, disk_gb,
                                template, size_bytes, format, notes, requested_at, created_at)
           select %(id)s, i.account_id, i.id, %(host_id)s, coalesce(%(vmid)s, i.vmid), %(storage)s, %(volid)s,
                  'available', %(protected)s, i.disk_gb, i.template, %(size_bytes)s, %(format)s, %(notes)s,
                  to_timestamp(%(created_at)s), to_timestamp(%(created_at)s)
           from instances i where i.id = %(instance_id)s
           on conflict do nothing""",
        {
            **vars(volume),
            "id": mark.backup_id,
            "instance_id": mark.instance_id,
            "host_id": host.id,
            "storage": place.storage,
            "notes": without_mark(volume.notes),
        },
    )
    return done.rowcount == 1


async def remove(client: PveClient, place: Place, volume: BackupVolume) -> None:
    task = await client.delete_volume(place.storage, volume.volid)
    if task is not None:
        await client.wait(task, timeout=PATIENCE_SECONDS)


async def note_protection(tx: Tx, before: Sequence[OnRecord], volumes: Mapping[str, BackupVolume]) -> None:
    """The operator protects backups in Proxmox."""
    for each in before:
        volume = volumes.get(each.volid)
        if volume is not None and volume.protected != each.protected:
            await tx.execute("update backups set protected = %s where id = %s", (volume.protected, each.id))


async def tell(tx: Tx, kind: BackupKind, instance_id: UUID, backup_id: UUID, volid: str, now: datetime) -> None:
    await record_instance(tx, kind, instance_id, now, SYSTEM, backup_id=str(backup_id), volid=volid)
