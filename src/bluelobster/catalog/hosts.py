"""Hosts: Proxmox VE nodes, what they have to give and how to reach them."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from bluelobster.access.sealing import Seal
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict
from bluelobster.pve import Endpoint

COLUMNS = """id, region, api_url, node, token_sealed, fingerprint, storage, iso_storage, backup_storage, bridge,
             internal_bridge, ssh_port, status, vcpus, memory_gb, disk_gb, vcpus_used, memory_gb_used, disk_gb_used,
             seen_at, firewall"""


@dataclass(frozen=True)
class Capacity:
    """What can be promised on a host: it may be more than the machine has, where the operator overcommits."""

    vcpus: int
    memory_gb: int
    disk_gb: int


@dataclass(frozen=True)
class Host:
    """One node and how to reach it. Its token stays sealed until a connection is made. `firewall` tells whether its
    data center lets firewall rules act; None until it was asked."""

    id: str
    region: str
    api_url: str
    node: str
    token_sealed: bytes
    fingerprint: str | None
    storage: str
    iso_storage: str | None
    backup_storage: str | None
    bridge: str
    internal_bridge: str | None
    ssh_port: int
    status: str
    vcpus: int
    memory_gb: int
    disk_gb: int
    vcpus_used: int
    memory_gb_used: int
    disk_gb_used: int
    seen_at: datetime | None
    firewall: bool | None

    def endpoint(self, seal: Seal) -> Endpoint:
        token = seal.unseal(self.token_sealed, token_purpose(self.id))
        return Endpoint(url=self.api_url, token=token, fingerprint=self.fingerprint)


@dataclass(frozen=True)
class NewHost:
    """A host as the operator adds it."""

    id: str
    region: str
    endpoint: Endpoint
    node: str
    storage: str
    bridge: str
    capacity: Capacity
    ssh_port: int = 22
    iso_storage: str | None = None
    backup_storage: str | None = None


def token_purpose(host_id: str) -> str:
    return f"token of host {host_id}"


async def save_host(tx: Tx, host: NewHost, seal: Seal, now: datetime) -> None:
    """Add a host, or change how it is reached and what it may promise; what is used on it stays."""
    await tx.execute(
        """insert into hosts (id, region, api_url, node, token_sealed, fingerprint, storage, bridge, ssh_port,
                              vcpus, memory_gb, disk_gb, created_at, iso_storage, backup_storage)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (id) do update set
             region = excluded.region, api_url = excluded.api_url, node = excluded.node,
             token_sealed = excluded.token_sealed, fingerprint = excluded.fingerprint,
             storage = excluded.storage, bridge = excluded.bridge, ssh_port = excluded.ssh_port,
             vcpus = excluded.vcpus, memory_gb = excluded.memory_gb, disk_gb = excluded.disk_gb,
             iso_storage = excluded.iso_storage, backup_storage = excluded.backup_storage""",
        (
            host.id,
            host.region,
            host.endpoint.url,
            host.node,
            seal.seal(host.endpoint.token, token_purpose(host.id)),
            host.endpoint.fingerprint,
            host.storage,
            host.bridge,
            host.ssh_port,
            host.capacity.vcpus,
            host.capacity.memory_gb,
            host.capacity.disk_gb,
            now,
            host.iso_storage,
            host.backup_storage,
        ),
    )


async def find_host(tx: Tx, host_id: str) -> Host | None:
    async with tx.cursor(row_factory=class_row(Host)) as cursor:
        await cursor.execute(f"select {COLUMNS} from hosts where id = %s", (host_id,))
        return await cursor.fetchone()


async def list_hosts(tx: Tx) -> list[Host]:
    async with tx.cursor(row_factory=class_row(Host)) as cursor:
        await cursor.execute(f"select {COLUMNS} from hosts order by id")
        return await cursor.fetchall()


async def boots_isos(tx: Tx, region: str) -> bool:
    """Whether a host in the region, with or without room, has a place for ISO images."""
    cursor = await tx.execute(
        "select exists (select from hosts where region = %s and iso_storage is not null)", (region,)
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def set_host_status(tx: Tx, host_id: str, status: str) -> bool:
    """`active`, `draining` (nothing new is placed there) or `offline`; False for an unknown host. Raises Conflict for
    one in maintenance, which is ended and not just left."""
    done = await tx.execute("update hosts set status = %s where id = %s and status <> 'maintenance'", (status, host_id))
    if done.rowcount == 0 and await find_host(tx, host_id) is not None:
        raise Conflict("host_in_maintenance", f"host {host_id} is in maintenance: end that first")
    return done.rowcount == 1


async def set_internal_bridge(tx: Tx, host_id: str, bridge: str | None) -> bool:
    """Where private networks are on a host, or that they are nowhere; False for an unknown host."""
    done = await tx.execute("update hosts set internal_bridge = %s where id = %s", (bridge, host_id))
    return done.rowcount == 1
