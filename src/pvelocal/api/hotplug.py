"""Cards that are put into a running guest or taken out of it, and its cloud-init drive."""

from pvelocal.errors import bad_parameters
from pvelocal.guest_spec import guest_spec
from pvelocal.hypervisor import GuestSpec, HypervisorError
from pvelocal.node import Node
from pvelocal.options import is_card
from pvelocal.vms import Vm

# It is on the root bus, which lets nothing go.
_FIXED = "net0"


async def hotplug_cards(node: Node, vm: Vm) -> None:
    """Let cards that wait for the next start come and go at once. ApiError names those that go on waiting."""
    problems: dict[str, str] = {}
    for name in sorted(name for name in vm.deleted if _can_move(name)):
        card = vm.config.pop(name)
        try:
            await node.hypervisor.unplug(spec_of(node, vm), int(name[3:]))
            vm.deleted.discard(name)
        except HypervisorError as error:
            vm.config[name] = card
            problems[name] = f"hotplug problem - {error}"
    for name in sorted(name for name in vm.pending if _can_move(name) and name not in vm.config):
        vm.config[name] = vm.pending[name]
        try:
            await node.hypervisor.plug(spec_of(node, vm), int(name[3:]))
            del vm.pending[name]
        except HypervisorError as error:
            del vm.config[name]
            problems[name] = f"hotplug problem - {error}"
    node.vms.save(vm)
    if problems:
        raise bad_parameters(problems)


async def renew_cloud_init(node: Node, vm: Vm) -> None:
    """Make the drive of a running guest anew; a stopped one gets it with its start."""
    spec = spec_of(node, vm)
    if spec.cloud_init is not None and await node.state(vm) != "stopped":
        await node.hypervisor.write_cloud_init(spec)


def spec_of(node: Node, vm: Vm) -> GuestSpec:
    """A running guest as its configuration is now; its devices stay as they were claimed."""
    return guest_spec(vm, node.storages, 0, node.acting_firewall(vm.vmid))


def _can_move(name: str) -> bool:
    return is_card(name) and name != _FIXED
