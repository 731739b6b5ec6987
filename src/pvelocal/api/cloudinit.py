"""What cloud-init tells a guest."""

from pvelocal.api.config import masked
from pvelocal.api.hotplug import renew_cloud_init
from pvelocal.guest_spec import documents
from pvelocal.routing import Call, Route, needs
from pvelocal.verification import Value

_AUDIT = needs("/vms/{vmid}", "VM.Audit")
_LISTED = ("cicustom", "cipassword", "citype", "ciupgrade", "ciuser", "nameserver", "searchdomain", "sshkeys")


async def dump(call: Call) -> object:
    """One of the documents as the next drive will have it."""
    return documents(call.node.vms.get(call.vmid))[call.text("type")]


async def show(call: Call) -> object:
    """The options with the values that the drive has, and as `pending` those that the next one will have."""
    vm = call.node.vms.get(call.vmid)
    config = masked(vm.config)
    old = {name: None if value is None else masked({name: value})[name] for name, value in vm.cloud_init.items()}
    entries: list[dict[str, Value]] = []
    for name in [*_LISTED, *(name for name in config if name.startswith("ipconfig") and name in old)]:
        if not config.get(name):
            continue
        entry: dict[str, Value] = {"key": name}
        previous = old.get(name, config[name])
        if previous is not None:
            entry["value"] = previous
        if name in old:
            entry["pending"] = config[name]
        entries.append(entry)
    entries += [{"key": name, "delete": 1} for name, value in old.items() if value is not None and name not in config]
    return entries


async def rebuild(call: Call) -> None:
    """Make the drive of a running guest anew; it is made at each start anyway."""
    vm = call.node.vms.get(call.vmid)
    vm.refuse_lock()
    await renew_cloud_init(call.node, vm)
    vm.cloud_init.clear()
    call.node.vms.save(vm)


_CLOUD_INIT = "/nodes/{node}/qemu/{vmid}/cloudinit"
ROUTES = (
    Route("GET", _CLOUD_INIT, show, _AUDIT),
    Route("PUT", _CLOUD_INIT, rebuild, needs("/vms/{vmid}", "VM.Config.Cloudinit")),
    Route("GET", f"{_CLOUD_INIT}/dump", dump, _AUDIT),
)
