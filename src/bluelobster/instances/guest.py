"""Steps that several operations share: a machine is started, stopped, waited for and destroyed the same way."""

from contextlib import suppress

from bluelobster.instances.iso import remove_iso
from bluelobster.instances.machine import Machine, NotOurs
from bluelobster.instances.names import hostname_of
from bluelobster.instances.seed import bring_seed, remove_seed
from bluelobster.pve import errors
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import GiveUp, TryAgain

PATIENCE_SECONDS = 120


async def start(machine: Machine, node: Node) -> None:
    """Start the machine unless it runs."""
    if await is_off(machine, node):
        await node.finish("start", lambda: node.pve.start(machine.vmid))


async def is_off(machine: Machine, node: Node) -> bool:
    """Whether the machine is there and does not run; one that this try has made needs no look."""
    if machine.status == "creating" and node.is_first_try:
        return True
    if await machine.config(node.pve) is None:
        raise GiveUp("the hypervisor does not have the machine")
    return (await node.pve.vm_status(machine.vmid)).power == "stopped"


async def stop(machine: Machine, node: Node) -> None:
    """Pull the plug, if there is anything plugged in."""
    if await machine.config(node.pve) is None:
        return
    if (await node.pve.vm_status(machine.vmid)).power != "stopped":
        await node.finish("stop", lambda: node.pve.stop(machine.vmid))


async def destroy(machine: Machine, node: Node) -> None:
    """Remove the machine with its disks, and the image that it was booted from. A job of the hypervisor that still
    builds it is waited for first."""
    await destroy_machine(machine, node)
    await remove_iso(machine, node)
    await remove_seed(machine, node)


async def take_back(machine: Machine, node: Node) -> None:
    """The same for a machine that may not have been made: where somebody else's is under its number, it was not."""
    with suppress(NotOurs):
        await destroy_machine(machine, node)
    await remove_iso(machine, node)
    await remove_seed(machine, node)


async def destroy_machine(machine: Machine, node: Node) -> None:
    if await being_created(machine, node):
        raise TryAgain("the hypervisor is still creating the machine")
    if await machine.config(node.pve) is not None:
        await stop(machine, node)
        await node.finish("destroy", lambda: node.pve.destroy(machine.vmid))


async def being_created(machine: Machine, node: Node) -> bool:
    """Whether a creation that we asked for, whose answer may have been lost, is still under way."""
    return any(task.type == "qmcreate" for task in await node.pve.running_tasks(machine.vmid))


async def apply_name(machine: Machine, node: Node) -> None:
    """Let the hypervisor's name follow ours; the guest's host name follows at its next start."""
    config = await machine.config(node.pve)
    if config is None:
        raise GiveUp("the hypervisor does not have the machine")
    if config.name != hostname_of(machine.name):
        await node.pve.update_vm(machine.vmid, {"name": hostname_of(machine.name)})
    await bring_seed(machine, node)


async def wait_for_guest(machine: Machine, node: Node) -> None:
    """Until the guest's agent answers. A customer may have removed the agent: after two minutes a machine that
    runs is good enough."""
    if machine.has_agent:
        await node.until(lambda: agent_answers(machine, node), PATIENCE_SECONDS)
    await must_run(machine, node)


async def wait_for_first_boot(machine: Machine, node: Node) -> None:
    """Until the guest's agent answers: before that, a new machine is not ready."""
    if machine.has_agent:
        await node.until(lambda: agent_answers(machine, node))
    else:
        await must_run(machine, node)


async def must_run(machine: Machine, node: Node) -> None:
    if (await node.pve.vm_status(machine.vmid)).power == "stopped":
        raise GiveUp("the machine did not stay on")


async def agent_answers(machine: Machine, node: Node) -> bool:
    try:
        await node.pve.agent_ping(machine.vmid)
    except errors.AgentNotRunning:
        return False
    except errors.VmNotRunning as error:
        raise GiveUp("the machine did not stay on") from error
    return True
