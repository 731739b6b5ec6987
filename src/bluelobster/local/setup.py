"""What a local cloud begins with: a catalogue, its node as a host, a template, a customer and a member of staff."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from bluelobster.access.accounts import Kind, create_account, find_account
from bluelobster.access.keys import create_key
from bluelobster.access.permissions import Role
from bluelobster.access.principal import identify
from bluelobster.admin.templates import build_image
from bluelobster.billing.ledger import credit
from bluelobster.catalog.gpus import save_gpu
from bluelobster.catalog.hosts import Capacity, Host, NewHost, find_host, save_host, set_internal_bridge
from bluelobster.catalog.images import provide
from bluelobster.catalog.templates import KNOWN
from bluelobster.db.pool import Tx, transaction
from bluelobster.demonstration import INTERNAL_NETWORK, LOCAL_GPUS, LOCAL_REGION, local_network, seed
from bluelobster.http.errors import Unauthorized
from bluelobster.local.node import LocalNode
from bluelobster.local.output import say
from bluelobster.parts import Parts
from bluelobster.pve import PveClient
from bluelobster.system_packages import SystemPackage

CREDENTIALS = "credentials.json"
ACCOUNTS: tuple[tuple[str, Kind, Role], ...] = (("demo", "customer", "owner"), ("operator", "staff", "staff"))
DEMO_CREDIT_CENTS = 10_000
TINY_LINUX_NEEDS: tuple[SystemPackage, ...] = ()

# Guests take only what they use: disks are sparse, memory is touched page by page, processors are mostly idle.
VCPU_OVERCOMMIT = 32
MEMORY_OVERCOMMIT = 12
DISK_OVERCOMMIT = 40
GIB = 1024**3

# Simulated guests have no disk to read: the header of an image is all they need.
NO_IMAGE = b"QFI\xfb" + bytes(508)


async def set_up(parts: Parts, node: LocalNode, data: Path, guests: str) -> list[dict[str, Any]]:
    """Bring records up to date with the node that runs now. Returns the accounts with their keys."""
    async with transaction(parts.pool) as tx:
        await seed(tx, local_network(data), INTERNAL_NETWORK)
        accounts = await provide_accounts(tx, parts, data)
    host = await provide_host(parts, node)
    async with transaction(parts.pool) as tx:
        too_small = await no_room(tx, host.id)
    if too_small:
        say(f"warning: {too_small}", error=True)
    if await lacks_image(parts, host):
        image = data / "tiny-linux.qcow2"
        if guests == "qemu":
            say("building TINY-LINUX (one time, some seconds) …")
            await build_image("TINY-LINUX", image)
        else:
            image.write_bytes(NO_IMAGE)
        await provide(parts.pool, parts.connections, KNOWN["TINY-LINUX"], image, [host])
        image.unlink()
    return accounts


async def provide_host(parts: Parts, node: LocalNode) -> Host:
    """The node as a host, as big as this machine can pretend to be."""
    async with PveClient(node.endpoint, node.name) as client:
        status = await client.node_status()
        storage = next(each for each in await client.storages() if each.name == "local")
    capacity = Capacity(
        vcpus=status.cores * VCPU_OVERCOMMIT,
        memory_gb=status.memory_bytes * MEMORY_OVERCOMMIT // GIB,
        disk_gb=storage.total_bytes * DISK_OVERCOMMIT // GIB,
    )
    new = NewHost(
        node.name,
        LOCAL_REGION,
        node.endpoint,
        node.name,
        "local",
        "vmbr0",
        capacity,
        node.ssh_port,
        iso_storage="local",
        backup_storage="backup",
    )
    async with transaction(parts.pool) as tx:
        await save_host(tx, new, parts.seal, parts.clock.now())
        await set_internal_bridge(tx, node.name, node.internal_bridge)
        for mapping, model in LOCAL_GPUS.items():
            await save_gpu(tx, node.name, model, mapping)
        host = await find_host(tx, node.name)
    if host is None:
        raise LookupError(f"host {node.name} was not saved")
    return host


async def lacks_image(parts: Parts, host: Host) -> bool:
    """Whether there is no TINY-LINUX yet, or a node that lost its image. One that the operator withdrew stays so."""
    async with transaction(parts.pool) as tx:
        cursor = await tx.execute(
            """select h.volume from templates t left join host_templates h on h.template = t.name and h.host_id = %s
               where t.name = 'TINY-LINUX'""",
            (host.id,),
        )
        known = await cursor.fetchone()
    if known is None or known[0] is None:
        return known is None
    client = await parts.connections.to_host(host)
    return known[0] not in {each.volid for each in await client.storage_content(host.storage, "import")}


async def no_room(tx: Tx, host_id: str) -> str | None:
    """Why not even the smallest machine has room on the host while it is empty; None where one has."""
    cursor = await tx.execute(
        """select h.disk_gb, min(t.disk_gb), h.memory_gb, min(t.memory_gb) from hosts h cross join instance_types t
           where h.id = %s and not t.retired group by h.id""",
        (host_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    disk_gb, least_disk_gb, memory_gb, least_memory_gb = row
    smaller = "or add a smaller type: `bluelobster admin type add`"
    if disk_gb < least_disk_gb:
        return (
            f"no machine has room here: the smallest type has a disk of {least_disk_gb} GB, and the disk that the data"
            f" is on is offered as {disk_gb} GB ({DISK_OVERCOMMIT} times its size). Choose a bigger one (--data),"
            f" {smaller}"
        )
    if memory_gb < least_memory_gb:
        return (
            f"no machine has room here: the smallest type has {least_memory_gb} GB of memory, and this machine's is"
            f" offered as {memory_gb} GB ({MEMORY_OVERCOMMIT} times its size). Choose a bigger machine, {smaller}"
        )
    return None


async def provide_accounts(tx: Tx, parts: Parts, data: Path) -> list[dict[str, Any]]:
    """A customer with credit and a member of staff. Keys that work are kept; others are made anew."""
    known = known_keys(data / CREDENTIALS)
    accounts = []
    for name, kind, role in ACCOUNTS:
        account_id = await find_account(tx, name)
        if account_id is None:
            account_id = await create_account(tx, name, kind, parts.clock.now())
            if kind == "customer":
                await credit(tx, account_id, DEMO_CREDIT_CENTS, "demonstration credit", parts.clock.now())
        key = known.get(name)
        if key is None or not await opens(parts, key, account_id):
            key = await create_key(tx, account_id, "local", role, parts.clock.now())
        accounts.append({"name": name, "role": kind, "api_key": key})
    return accounts


def known_keys(path: Path) -> dict[str, str]:
    """Keys that an earlier start wrote down."""
    try:
        accounts = json.loads(path.read_text())["accounts"]
        return {each["name"]: each["api_key"] for each in accounts}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


async def opens(parts: Parts, key: str, account_id: UUID) -> bool:
    """Whether a key is valid, and this account's."""
    try:
        return (await identify(parts.pool, key, parts.clock.now())).account_id == account_id
    except Unauthorized:
        return False
