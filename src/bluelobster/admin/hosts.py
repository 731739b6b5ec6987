"""Hosts: Proxmox VE nodes are looked at before they are believed."""

import sys

import click

from bluelobster.admin.session import Wrong, found, run, show
from bluelobster.app import Parts
from bluelobster.catalog.hosts import (
    Capacity,
    NewHost,
    list_hosts,
    remove_host,
    save_host,
    set_host_status,
    set_internal_bridge,
)
from bluelobster.db.pool import transaction
from bluelobster.pve import Endpoint, PveClient, errors

GIB = 1024**3
OVERCOMMIT = click.FloatRange(1, 100)

# Tried call by call: a role with these on `/` runs everything that we do.
PRIVILEGES = frozenset(
    (
        *("VM.Allocate", "VM.Audit", "VM.Clone", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Cloudinit"),
        *("VM.Config.Disk", "VM.Config.HWType", "VM.Config.Memory", "VM.Config.Network", "VM.Config.Options"),
        *("VM.Console", "VM.PowerMgmt", "VM.Backup", "VM.Snapshot", "VM.GuestAgent.Audit"),
        *("Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit", "Mapping.Use", "SDN.Use"),
        "Sys.Audit",
    )
)


NO_FIREWALL = (
    "the firewall of the data center is off: no customer's rule would act, and guests could send from each other's "
    "addresses. Switch it on with `pvesh set /cluster/firewall/options --enable 1`, once the cluster's own rules let "
    "you in (SSH and port 8006 from your networks)"
)


# What Proxmox asks of somebody who removes an ISO image.
REMOVAL = "Datastore.Allocate"


@click.group()
def host() -> None:
    """Proxmox VE nodes that machines run on."""


@host.command("add")
@click.argument("name")
@click.option("--region", required=True)
@click.option("--address", required=True, help="https://host:8006")
@click.option("--token", envvar="BLUELOBSTER_HOST_TOKEN", help="user@realm!name=secret (default: asked for)")
@click.option("--fingerprint", help="SHA-256 of the certificate, as Proxmox shows it (default: checked by a known CA)")
@click.option("--node", help="The node's name (default: the host's name)")
@click.option("--storage", required=True, help="Where disks and images go")
@click.option(
    "--iso-storage", help="Where ISO images go that machines boot from (default: the storage, if it takes them)"
)
@click.option("--backup-storage", help="Where machines are backed up to (default: they cannot be)")
@click.option("--bridge", default="vmbr0", show_default=True)
@click.option("--vcpu-overcommit", type=OVERCOMMIT, default=4.0, show_default=True)
@click.option("--memory-overcommit", type=OVERCOMMIT, default=1.0, show_default=True)
@click.option("--disk-overcommit", type=OVERCOMMIT, default=1.0, show_default=True)
def add_host(
    name: str,
    region: str,
    address: str,
    token: str | None,
    fingerprint: str | None,
    node: str | None,
    storage: str,
    iso_storage: str | None,
    backup_storage: str | None,
    bridge: str,
    vcpu_overcommit: float,
    memory_overcommit: float,
    disk_overcommit: float,
) -> None:
    """Add a node, or change how it is reached. It is asked for its size, and its token's rights are checked."""
    if token is None:
        if not sys.stdin.isatty():
            raise Wrong("give the token in the environment: BLUELOBSTER_HOST_TOKEN='user@realm!name=secret'")
        token = click.prompt("API token (user@realm!name=secret)", hide_input=True)
    try:
        endpoint = Endpoint(url=address, token=token, fingerprint=fingerprint)
    except ValueError as error:
        raise Wrong(str(error)) from None

    async def action(parts: Parts) -> None:
        capacity = await look_at(endpoint, node or name, storage, (vcpu_overcommit, memory_overcommit, disk_overcommit))
        isos, without = await place_for_isos(endpoint, node or name, storage, iso_storage)
        if backup_storage is not None:
            await look_at_backup_storage(endpoint, node or name, backup_storage)
        new = NewHost(
            name,
            region,
            endpoint,
            node or name,
            storage,
            bridge,
            capacity,
            iso_storage=isos,
            backup_storage=backup_storage,
        )
        async with transaction(parts.pool) as tx:
            for other in await list_hosts(tx):
                same = other.node == new.node and fingerprint is not None and other.fingerprint == endpoint.fingerprint
                if same and other.id != name:
                    raise Wrong(f"this node is on record already, as host {other.id}")
            await save_host(tx, new, parts.seal, parts.clock.now())
        click.echo(
            f"host {name} saved: {capacity.vcpus} vCPUs, {capacity.memory_gb} GB memory, {capacity.disk_gb} GB disk "
            "to promise"
        )
        if without:
            click.echo(f"machines cannot boot from ISO images there: {without}")

    run(action)


async def look_at(endpoint: Endpoint, node: str, storage: str, overcommit: tuple[float, float, float]) -> Capacity:
    """What a node can promise. Raises Wrong when it cannot serve us, and PveError when it does not answer."""
    async with PveClient(endpoint, node) as client:
        try:
            await client.version()
        except errors.CertificateMismatch as error:
            raise Wrong(distrust(endpoint, error)) from error
        except errors.Unauthorized as error:
            raise Wrong(f"the host refuses the token {endpoint.token_id}: {error}") from error
        names = [each.name for each in await client.nodes()]
        if node not in names:
            raise Wrong(f"the cluster has no node {node}; it has {', '.join(names)}")
        granted = (await client.permissions()).get("/", frozenset())
        if missing := sorted(PRIVILEGES - granted):
            raise Wrong(
                f"the token lacks privileges on /: {', '.join(missing)} "
                "(a token with privilege separation needs them itself, besides its user)"
            )
        stores = {each.name: each for each in await client.storages()}
        if storage not in stores:
            raise Wrong(f"the node has no storage {storage}; it has {', '.join(stores)}")
        if lacking := sorted({"images", "import"} - stores[storage].content):
            raise Wrong(f"storage {storage} must allow the content {', '.join(lacking)}")
        if not await client.datacenter_firewall():
            raise Wrong(NO_FIREWALL)
        status = await client.node_status()
    vcpus, memory, disk = overcommit
    return Capacity(
        vcpus=int(status.cores * vcpus),
        memory_gb=int(status.memory_bytes / GIB * memory),
        disk_gb=int(stores[storage].total_bytes / GIB * disk),
    )


async def place_for_isos(
    endpoint: Endpoint, node: str, storage: str, wanted: str | None
) -> tuple[str | None, str | None]:
    """The storage for ISO images, or why there is none. Raises Wrong when the one that is wanted will not do."""
    name = wanted or storage
    async with PveClient(endpoint, node) as client:
        stores = {each.name: each for each in await client.storages()}
        granted = await client.permissions()
    without = None
    if name not in stores:
        without = f"the node has no storage {name}; it has {', '.join(stores)}"
    elif "iso" not in stores[name].content:
        without = f"storage {name} does not allow the content iso"
    elif not any(REMOVAL in granted.get(path, ()) for path in ("/", f"/storage/{name}")):
        without = f"the token lacks the privilege {REMOVAL} on /storage/{name}, which removing an image takes"
    if wanted is not None and without is not None:
        raise Wrong(without)
    return (None if without else name), without


async def look_at_backup_storage(endpoint: Endpoint, node: str, name: str) -> None:
    """Raises Wrong for a storage that takes no backups."""
    async with PveClient(endpoint, node) as client:
        stores = {each.name: each for each in await client.storages()}
    if name not in stores:
        raise Wrong(f"the node has no storage {name}; it has {', '.join(stores)}")
    if "backup" not in stores[name].content:
        raise Wrong(f"storage {name} does not allow the content backup")


def distrust(endpoint: Endpoint, error: errors.CertificateMismatch) -> str:
    """Why the host's certificate is not believed, and what to do about it."""
    if endpoint.fingerprint is None:
        return (
            "no authority that this machine knows vouches for the host's certificate: give its --fingerprint, "
            "which `pvenode cert info` shows on the host"
        )
    return f"the host is not the one that was meant, or its certificate was renewed: {error}"


@host.command("list")
def show_hosts() -> None:
    """Show all hosts and what is promised on them."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            hosts = await list_hosts(connection)
        show(
            ("name", "region", "status", "vCPUs", "memory GB", "disk GB", "backups", "firewall", "last seen"),
            [
                (
                    h.id,
                    h.region,
                    h.status,
                    f"{h.vcpus_used}/{h.vcpus}",
                    f"{h.memory_gb_used}/{h.memory_gb}",
                    f"{h.disk_gb_used}/{h.disk_gb}",
                    h.backup_storage or "none",
                    {True: "on", False: "OFF", None: "unknown"}[h.firewall],
                    f"{h.seen_at:%Y-%m-%d %H:%M:%S}" if h.seen_at else "never",
                )
                for h in hosts
            ],
        )

    run(action)


@host.command("status")
@click.argument("name")
@click.argument("status", type=click.Choice(["active", "draining", "offline"]))
def change_status(name: str, status: str) -> None:
    """Place nothing new on a host (`draining`), stop asking it (`offline`), or use it again (`active`)."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"host {name}", await set_host_status(tx, name, status))
        click.echo(f"host {name} is {status}")

    run(action)


@host.command("internal-bridge")
@click.argument("name")
@click.argument("bridge", required=False)
def change_internal_bridge(name: str, bridge: str | None) -> None:
    """Let machines launched from now on be on private networks: on this VLAN-aware bridge, which the region's hosts
    share. Without a bridge, none of them is."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"host {name}", await set_internal_bridge(tx, name, bridge))
        click.echo(f"private networks of host {name}: {bridge or 'none'}")

    run(action)


@host.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Forget a host that never had a machine."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"host {name}", await remove_host(tx, name))
        click.echo(f"host {name} removed")

    run(action)
