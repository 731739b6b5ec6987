"""Creating a VM."""

import time
import uuid
from collections.abc import Mapping

from pvelocal import guest_spec
from pvelocal.access import Token
from pvelocal.api.power import boot
from pvelocal.api.restore import restore_vm
from pvelocal.drive_options import STATE_SIZES, place_drive
from pvelocal.errors import ApiError, failed, forbidden
from pvelocal.hypervisor import HypervisorError
from pvelocal.node import QEMU_VERSION, Node
from pvelocal.options import asked_options, check_rights, fill_in_mac, is_card
from pvelocal.routing import Call, Route
from pvelocal.tasks import Task
from pvelocal.verification import Value
from pvelocal.vms import Vm


def _allow(token: Token, parameters: Mapping[str, str]) -> None:
    if not token.may(f"/vms/{parameters.get('vmid', '')}", "VM.Allocate"):
        raise forbidden()


async def create(call: Call) -> object:
    """Make a VM: its configuration at once, locked, and its disks in a task. With an archive it is restored.

    As with the real node, an archive without a name and `force` mean a new VM in place of one that is there.
    """
    if call.text("archive"):
        return await restore_vm(call)
    node, vmid = call.node, call.vmid
    options = asked_options(call.parameters)
    check_rights(node, call.token, vmid, options)
    vm = Vm(vmid, config={"lock": "create"})
    node.vms.add(vm, replace=call.flag("force"))

    async def work(task: Task) -> None:
        async with vm.locked():
            try:
                config = await _build(node, vmid, options, task)
            except (ApiError, HypervisorError) as error:
                raise failed(f"unable to create VM {vmid} - {error}") from None
            vm.config = config
            node.vms.save(vm)
            if call.flag("start"):
                await boot(node, vm, task.log)

    async def abandon(_task: Task) -> None:
        if vm.config.get("lock") == "create":
            await node.destroy(vm)

    return call.start("qmcreate", str(vmid), work, abandon)


async def _build(node: Node, vmid: int, options: Mapping[str, Value], task: Task) -> dict[str, Value]:
    config: dict[str, Value] = {}
    for name in sorted(options):
        value = options[name]
        if guest_spec.is_drive(name) or name in STATE_SIZES:
            value = await place_drive(node, vmid, name, str(value), task.log)
        elif is_card(name):
            value = fill_in_mac(name, str(value))
        config[name] = value
    return config | _generated(config)


def _generated(config: Mapping[str, Value]) -> dict[str, Value]:
    generated: dict[str, Value] = {"meta": f"creation-qemu={QEMU_VERSION},ctime={int(time.time())}"}
    if config.get("vmgenid", "1") == "1":
        generated["vmgenid"] = str(uuid.uuid4())
    if "smbios1" not in config:
        generated["smbios1"] = f"uuid={uuid.uuid4()}"
    order = guest_spec.default_boot_order(config)
    if "boot" not in config and order:
        generated["boot"] = f"order={order}"
    return generated


ROUTES = (Route("POST", "/nodes/{node}/qemu", create, _allow),)
