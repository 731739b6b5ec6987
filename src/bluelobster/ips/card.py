"""The network card of an additional address: into the machine and out again, while it runs."""

import contextlib
from dataclasses import dataclass

from bluelobster.db.pool import Tx
from bluelobster.instances import blueprint
from bluelobster.instances.machine import Machine, load_machine
from bluelobster.instances.protection import let_send_from, set_of
from bluelobster.network.addresses import Assigned
from bluelobster.pve import errors
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import GiveUp
from bluelobster.tasks.task import Task

GUEST_SECONDS = 15.0
UNPLUG_SECONDS = 60.0


@dataclass(frozen=True)
class Card:
    """An additional address and the machine that it is for."""

    machine: Machine
    address: Assigned

    @property
    def net(self) -> str:
        return f"net{self.address.nic}"

    @property
    def ip_config(self) -> str:
        return f"ipconfig{self.address.nic}"

    @property
    def others(self) -> list[Assigned]:
        """The machine's other public addresses."""
        return [each for each in self.machine.addresses if each.tag is None and each.nic != self.address.nic]


def host_of(card: Card) -> str:
    return card.machine.host_id


async def load_card(tx: Tx, task: Task) -> Card:
    """The card that a task is about."""
    machine = await load_machine(tx, task)
    for address in machine.addresses:
        if address.address == task.params["ip_address"]:
            return Card(machine, address)
    raise LookupError(f"instance {machine.id} has not the address of task {task.id}")


async def allow(card: Card, node: Node) -> None:
    """Let the guest send from the address, through whichever of its cards its routes choose: answers of one that is
    in the same network as another leave by either."""
    for other in card.others:
        await let_send_from(node.pve, card.machine.vmid, other.nic, card.address.address)
    for address in (card.address, *card.others):
        await let_send_from(node.pve, card.machine.vmid, card.address.nic, address.address)


async def forbid(card: Card, node: Node) -> None:
    """Let the guest not send from the address any more."""
    vmid = card.machine.vmid
    if await card.machine.config(node.pve) is None:
        return
    sets = await node.pve.ip_sets(vmid)
    for name in (set_of(other.nic) for other in card.others):
        if name in sets and card.address.address in await node.pve.ip_set(vmid, name):
            await node.pve.remove_from_ip_set(vmid, name, card.address.address)
    if set_of(card.address.nic) in sets:
        await node.pve.delete_ip_set(vmid, set_of(card.address.nic))


async def plug(card: Card, node: Node) -> None:
    """Put the card in, and tell the guest its address. Where it cannot be put into a running machine, it is there
    with the machine's next start."""
    if await card.machine.config(node.pve) is None:
        raise GiveUp("the hypervisor does not have the machine")
    await _plug(card, node)


async def plug_again(card: Card, node: Node) -> None:
    """As `plug`, for a machine that may be gone."""
    if await card.machine.config(node.pve) is not None:
        await _plug(card, node)


async def _plug(card: Card, node: Node) -> None:
    options: dict[str, str | int] = {
        card.net: blueprint.card(card.machine, card.address),
        card.ip_config: blueprint.ip_config(card.address),
    }
    with contextlib.suppress(errors.HotplugFailed):
        await node.pve.update_vm(card.machine.vmid, options)
    await node.pve.renew_cloud_init(card.machine.vmid)


async def unplug(card: Card, node: Node) -> None:
    """Take the card out. While a running guest holds on to it, the address is not free for others."""
    if await card.machine.config(node.pve) is None:
        return
    if not await node.until(lambda: _is_out(card, node), UNPLUG_SECONDS):
        raise GiveUp("the guest holds on to its network card; shut it down and try again")
    await node.pve.renew_cloud_init(card.machine.vmid)


async def _is_out(card: Card, node: Node) -> bool:
    try:
        await node.pve.update_vm(card.machine.vmid, delete=[card.net, card.ip_config])
    except errors.HotplugFailed:
        return False
    return card.net not in (await node.pve.vm_config(card.machine.vmid, current=True)).options


async def wait_for_guest(card: Card, node: Node) -> None:
    """Some seconds for the guest to use the address: what it does not do by then, it does at its next start."""
    if card.machine.has_agent:
        await node.until(lambda: _is_used(card, node), GUEST_SECONDS)


async def _is_used(card: Card, node: Node) -> bool:
    try:
        interfaces = await node.pve.agent_interfaces(card.machine.vmid)
    except errors.VmNotRunning:
        return True
    except errors.AgentNotRunning:
        return False
    return any(each.mac == card.address.mac and each.addresses for each in interfaces)
