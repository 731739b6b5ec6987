"""The ISO image that a machine boots from: chosen, kept secret, brought to the host, and removed with the machine."""

from typing import Final
from uuid import UUID

import httpx

from bluelobster.access.sealing import Seal
from bluelobster.db.pool import Tx
from bluelobster.instances.machine import Machine
from bluelobster.isos.errors import BadAddress, Busy, CannotFetch, NoSpace
from bluelobster.isos.rules import IsoRules
from bluelobster.isos.url import checked_url, shown
from bluelobster.pve import Upid
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import GiveUp, TryAgain

CONTENT: Final = "iso"


def broken_iso_rules(iso_url: str | None, template_name: str | None, rules: IsoRules) -> dict[str, str]:
    """What is wrong with how an image was chosen, by field."""
    if iso_url is None:
        return {}
    if template_name is not None:
        return {"iso_url": "Give template_name or iso_url, not both"}
    try:
        checked_url(iso_url, rules)
    except BadAddress as error:
        return {"iso_url": str(error)}
    return {}


async def keep_address(tx: Tx, instance_id: UUID, iso_url: str, seal: Seal) -> None:
    """Note where a new instance's image comes from, and under which name its host will have it."""
    await tx.execute(
        """update instances i set iso_name = %s, iso_url_sealed = %s,
                                  iso_volume = h.iso_storage || ':iso/bl-' || i.id || '.iso'
           from hosts h where h.id = i.host_id and i.id = %s""",
        (shown(httpx.URL(iso_url)), seal.seal(iso_url, address_purpose(instance_id)), instance_id),
    )


def address_purpose(instance_id: UUID) -> str:
    return f"address of the image of instance {instance_id}"


# Steps


async def fetch_iso(machine: Machine, node: Node) -> None:
    """From where it is to the host. A part of an image never gets there; what an earlier try left is replaced."""
    await node.finish("upload", lambda: _pass_on(machine, node))


async def _pass_on(machine: Machine, node: Node) -> Upid | None:
    if machine.iso_url_sealed is None or machine.iso_volume is None:
        raise GiveUp("the address of its image is lost")
    address = node.seal.unseal(machine.iso_url_sealed, address_purpose(machine.id))
    storage, file = machine.iso_volume.split(":iso/")
    try:
        async with node.isos.fetched(address, machine.account_id) as image:
            return await node.pve.upload(storage, CONTENT, file, image)
    except CannotFetch as error:
        raise GiveUp(f"the ISO image cannot be fetched: {error}") from error
    except NoSpace as error:
        raise TryAgain(f"no room for the image: {error}") from error
    except Busy as error:
        raise TryAgain(str(error)) from error


async def forget_address(machine: Machine, tx: Tx) -> None:
    """The host has the image: its address, which may hold a token, is needed no more."""
    await tx.execute("update instances set iso_url_sealed = null where id = %s", (machine.id,))


async def remove_iso(machine: Machine, node: Node) -> None:
    """Take the image away from the host, if the machine has one."""
    if machine.iso_volume is not None:
        await remove_image(machine.iso_volume, machine, node)


async def remove_image(volume: str, machine: Machine, node: Node) -> None:
    """Take an image of a machine away from the host, if it is there. In a launch that failed it may still be on its
    way: its name shows only once it has arrived."""
    storage = volume.partition(":")[0]
    if machine.status == "creating" and any(task.type == "imgcopy" for task in await node.pve.running_tasks()):
        raise TryAgain("the hypervisor is still storing an image")
    if volume in {each.volid for each in await node.pve.storage_content(storage, CONTENT)}:
        await node.finish("remove image", lambda: node.pve.delete_volume(storage, volume))
