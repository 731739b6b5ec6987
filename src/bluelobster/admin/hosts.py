"""Hosts: Proxmox VE nodes are looked at before they are believed."""

import sys

import click

from bluelobster.admin.maintenance import maintenance
from bluelobster.admin.session import Wrong, found, run, show
from bluelobster.catalog.host_check import Overcommit, Wish, check, wish_of
from bluelobster.catalog.host_records import get_host, record_host, remove_host
from bluelobster.catalog.hosts import list_hosts, set_host_status, set_internal_bridge
from bluelobster.db.pool import transaction
from bluelobster.parts import Parts
from bluelobster.pve import Endpoint

OVERCOMMIT = click.FloatRange(1, 100)


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

    wish = Wish(
        id=name,
        region=region,
        endpoint=endpoint,
        node=node or name,
        storage=storage,
        bridge=bridge,
        iso_storage=iso_storage,
        backup_storage=backup_storage,
        overcommit=Overcommit(vcpu_overcommit, memory_overcommit, disk_overcommit),
    )

    async def action(parts: Parts) -> None:
        checked = await check(wish)
        async with transaction(parts.pool) as tx:
            await record_host(tx, checked.host, parts.seal, parts.clock.now())
        promised = checked.host.capacity
        click.echo(
            f"host {name} saved: {promised.vcpus} vCPUs, {promised.memory_gb} GB memory, {promised.disk_gb} GB disk "
            "to promise"
        )
        if checked.without_isos:
            click.echo(f"machines cannot boot from ISO images there: {checked.without_isos}")

    run(action)


@host.command("check")
@click.argument("name")
def check_again(name: str) -> None:
    """Ask a host what it has, as when it was added; nothing changes."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            known = await get_host(connection, name)
        there = (await check(wish_of(known, parts.seal))).host.capacity
        click.echo(f"host {name} has {there.vcpus} vCPUs, {there.memory_gb} GB memory, {there.disk_gb} GB disk")

    run(action)


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
    """Forget a host that nothing lives on. Its backups pass to another host that reaches their storage."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"host {name}", await remove_host(tx, name))
        click.echo(f"host {name} removed")

    run(action)


host.add_command(maintenance)
