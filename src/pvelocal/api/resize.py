"""Growing a disk."""

from pvelocal.errors import failed
from pvelocal.guest_spec import parse_drive
from pvelocal.node import Node
from pvelocal.routing import Call, Route, needs
from pvelocal.sizes import format_size, parse_size
from pvelocal.tasks import Task
from pvelocal.verification import parse_option, render_option
from pvelocal.vms import Vm


async def resize(call: Call) -> object:
    """Grow a disk to a size or by one; everything that is wrong shows in the task."""
    node, vm = call.node, call.node.vms.get(call.vmid)
    slot, size = call.text("disk"), call.text("size")
    digest = call.text("digest")
    if digest and digest != vm.digest:
        raise failed("checksum mismatch (file change by other user?)")

    async def work(task: Task) -> None:
        async with vm.locked():
            vm.refuse_lock()
            await _grow(node, vm, slot, size)
        task.log("Image resized.")

    return call.start("resize", str(vm.vmid), work)


async def _grow(node: Node, vm: Vm, slot: str, size: str) -> None:
    if slot not in vm.config:
        raise failed(f"disk '{slot}' does not exist")
    drive = parse_drive(slot, str(vm.config[slot]))
    if drive.cdrom or drive.volume is None:
        raise failed("you can't resize a cdrom")
    path = node.storages.existing(drive.volume).path
    current = await node.hypervisor.disk_size(path)
    wanted = current + parse_size(size[1:]) if size.startswith("+") else parse_size(size)
    if wanted < current:
        raise failed("shrinking disks is not supported")
    if wanted > current:
        await node.hypervisor.resize_disk(vm.vmid, slot, path, wanted)
    vm.config[slot] = render_option(slot, parse_option(slot, str(vm.config[slot])) | {"size": format_size(wanted)})
    node.vms.save(vm)


ROUTES = (Route("PUT", "/nodes/{node}/qemu/{vmid}/resize", resize, needs("/vms/{vmid}", "VM.Config.Disk")),)
