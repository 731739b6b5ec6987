"""The drive with a customer's user data: kept sealed in our rows, brought to the host before each start, so that it
knows the machine's name and addresses, and removed with the machine."""

import asyncio
from pathlib import Path
from tempfile import TemporaryFile
from uuid import UUID

from bluelobster.access.sealing import Seal
from bluelobster.catalog.templates import Template
from bluelobster.db.pool import Tx
from bluelobster.instances.iso import CONTENT, remove_image
from bluelobster.instances.machine import Machine
from bluelobster.instances.names import hostname_of
from bluelobster.tasks.node import Node
from bluelobster.user_data.basic import script_of
from bluelobster.user_data.drive import Card, Guest, documents, write_drive


def broken_user_data_rules(user_data: str | None, template: Template | None) -> dict[str, str]:
    """Why a machine would not do what its user data says."""
    if user_data is None:
        return {}
    if template is None:
        return {"user_data": "Only a machine made from a template takes user data"}
    if template.os_type != "linux":
        return {"user_data": f"{template.name} takes no user data"}
    if not template.has_cloud_init:
        try:
            script_of(user_data)
        except ValueError as error:
            return {"user_data": f"{template.name} has no cloud-init: it {error}"}
    return {}


async def keep_user_data(tx: Tx, instance_id: UUID, user_data: str, seal: Seal) -> None:
    """Note what a new instance shall do, and under which name its host will have the drive that says so."""
    await tx.execute(
        """update instances i set user_data_sealed = %s,
                                  seed_volume = h.iso_storage || ':iso/bl-' || i.id || '-data.iso'
           from hosts h where h.id = i.host_id and i.id = %s""",
        (seal.seal(user_data, user_data_purpose(instance_id)), instance_id),
    )


def user_data_purpose(instance_id: UUID) -> str:
    return f"user data of instance {instance_id}"


async def bring_seed(machine: Machine, node: Node) -> None:
    """Put the drive on the host as the machine is now; one that is there is replaced."""
    if machine.seed_volume is None or machine.user_data_sealed is None:
        return
    user_data = node.seal.unseal(machine.user_data_sealed, user_data_purpose(machine.id))
    script = None if machine.has_cloud_init else script_of(user_data)
    storage, file = machine.seed_volume.split(":iso/")
    # Without a name: nothing of it is left when this process is killed.
    with TemporaryFile() as drive:
        await asyncio.to_thread(write_drive, drive, documents(guest_of(machine), user_data, script))
        path = Path(f"/proc/self/fd/{drive.fileno()}")
        await node.finish("upload drive", lambda: node.pve.upload(storage, CONTENT, file, path))


async def remove_seed(machine: Machine, node: Node) -> None:
    """Take the drive away from the host, if there is one."""
    if machine.seed_volume is not None:
        await remove_image(machine.seed_volume, machine, node)


def guest_of(machine: Machine) -> Guest:
    """The machine as its drive describes it."""
    primary = machine.address
    return Guest(
        instance_id=str(machine.id),
        hostname=hostname_of(machine.name),
        username=machine.username,
        ssh_keys=(machine.ssh_key or "").splitlines(),
        password_hash=machine.password_hash,
        cards=[
            Card(each.mac, f"{each.address}/{each.prefix}", each.gateway if each.is_primary else None)
            for each in machine.addresses
        ],
        nameservers=primary.nameservers if primary else (),
    )
