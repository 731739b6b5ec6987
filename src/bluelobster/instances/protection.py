"""A machine's firewall at its beginning: it lets everything through, except what is not the machine's to send."""

from bluelobster.instances.machine import Machine
from bluelobster.pve import PveClient
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import GiveUp

# The firewall is on for good: off, it would not look at sender addresses either.
FILTERS: dict[str, str | int] = {"enable": 1, "macfilter": 1, "ipfilter": 1}
OPEN: dict[str, str | int] = {"policy_in": "ACCEPT", "policy_out": "ACCEPT"}


async def protect(machine: Machine, node: Node) -> None:
    """Before the first start: the guest may send from its own MAC and addresses only. Policies are said explicitly;
    the hypervisor's own would drop what comes in."""
    if machine.address is None:
        raise GiveUp("the machine lost its address")
    for each in machine.addresses:
        await let_send_from(node.pve, machine.vmid, each.nic, each.address)
    await node.pve.set_firewall_options(machine.vmid, {**FILTERS, **OPEN})


async def let_send_from(pve: PveClient, vmid: int, card: int, address: str) -> None:
    """Let the machine's card `net<card>` send from an address; safe to repeat."""
    await pve.make_ip_set(vmid, set_of(card))
    await pve.add_to_ip_set(vmid, set_of(card), address)


def set_of(card: int) -> str:
    """The hypervisor's name for the set of addresses that a card may send from."""
    return f"ipfilter-net{card}"
