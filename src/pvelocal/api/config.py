"""The configuration of a VM: reading it, changing it, and what waits for the next start."""

from collections.abc import Mapping

from pvelocal.api.hotplug import hotplug_cards
from pvelocal.drive_options import owned_image, place_drive, set_aside
from pvelocal.errors import bad_parameters, failed
from pvelocal.formats import split_list
from pvelocal.guest_spec import is_drive, parse_drive
from pvelocal.node import Node
from pvelocal.options import (
    CONFIG_PRIVILEGES,
    check_privileges,
    check_rights,
    fill_in_mac,
    hash_password,
    is_card,
    is_cloud_init,
    is_windows,
)
from pvelocal.routing import Call, Route, needs
from pvelocal.tasks import Task
from pvelocal.verification import OPTIONS, Value
from pvelocal.vms import Vm

_CALL_PARAMETERS = frozenset({"node", "vmid", "digest", "delete", "revert", "force", "skiplock", "background_delay"})
_AT_ONCE = frozenset(
    {"description", "hookscript", "lock", "migrate_downtime", "migrate_speed", "name", "onboot", "protection", "shares",
     "startup", "tags", "vmstatestorage"}
)  # fmt: skip
_AUDIT = needs("/vms/{vmid}", "VM.Audit")
_CHANGE = needs("/vms/{vmid}", *CONFIG_PRIVILEGES)
_MASK = "**********"


def masked(config: Mapping[str, Value]) -> dict[str, Value]:
    """A configuration without its password."""
    return {**config, "cipassword": _MASK} if "cipassword" in config else dict(config)


async def show_config(call: Call) -> object:
    """The configuration with what is pending, or with `current` as it is."""
    vm = call.node.vms.get(call.vmid)
    config = vm.config if call.flag("current") else vm.wanted()
    return masked(config) | {"digest": vm.digest}


async def show_pending(call: Call) -> object:
    """Each option with its value, its pending value and whether it is to be deleted."""
    vm = call.node.vms.get(call.vmid)
    config, pending = masked(vm.config), masked(vm.pending)
    entries: list[dict[str, Value]] = [{"key": "digest", "value": vm.digest}]
    for name in [*config, *(name for name in pending if name not in config)]:
        entry: dict[str, Value] = {"key": name}
        if name in config:
            entry["value"] = config[name]
        if name in pending:
            entry["pending"] = pending[name]
        if name in vm.deleted:
            entry["delete"] = 1
        entries.append(entry)
    return entries


async def update(call: Call) -> None:
    """Change the configuration before answering."""
    vm, changes, deletions = _check(call)
    async with vm.locked():
        await _apply(call, vm, changes, deletions, None)


async def update_later(call: Call) -> object:
    """Change the configuration in a task."""
    vm, changes, deletions = _check(call)

    async def work(task: Task) -> None:
        shown = masked(call.parameters)
        task.log(
            f"update VM {vm.vmid}: "
            + " ".join(f"-{name} {shown[name]}" for name in sorted(shown) if name not in ("node", "vmid"))
        )
        async with vm.locked():
            await _apply(call, vm, changes, deletions, task)

    return call.start("qmconfig", str(vm.vmid), work)


def _check(call: Call) -> tuple[Vm, dict[str, Value], list[str]]:
    changes = {name: value for name, value in call.parameters.items() if name not in _CALL_PARAMETERS}
    deletions = split_list(call.text("delete"))
    reverts = split_list(call.text("revert"))
    if not (changes or deletions or reverts):
        raise failed("no options specified")
    for name in deletions:
        if name in changes:
            reason = f"you can't use '-{name}' and -delete {name}' at the same time"
            raise bad_parameters({"delete": reason})
        if name not in OPTIONS or name in _CALL_PARAMETERS:
            raise bad_parameters({"delete": f"unknown option '{name}'"})
    check_rights(call.node, call.token, call.vmid, changes)
    check_privileges(call.token, call.vmid, deletions)
    vm = call.node.vms.get(call.vmid)
    digest = call.text("digest")
    if digest and digest != vm.digest:
        raise failed("checksum mismatch (file change by other user?)")
    vm.refuse_lock()
    return vm, changes, deletions


async def _apply(call: Call, vm: Vm, changes: dict[str, Value], deletions: list[str], task: Task | None) -> None:
    node = call.node
    vm.refuse_lock()
    for name in split_list(call.text("revert")):
        vm.pending.pop(name, None)
        vm.deleted.discard(name)
    running = await node.state(vm) != "stopped"
    for name in deletions:
        await _delete(node, vm, name, waits=running and not _applies_at_once(name))
    for name, value in changes.items():
        stored = await _stored(node, vm, name, value, task)
        await _set(node, vm, name, stored, running=running)
    node.vms.save(vm)
    if running:
        await hotplug_cards(node, vm)


def _applies_at_once(name: str) -> bool:
    return name in _AT_ONCE or is_cloud_init(name) or name.startswith("unused")


async def _stored(node: Node, vm: Vm, name: str, value: Value, task: Task | None) -> Value:
    if is_drive(name):
        return await place_drive(node, vm.vmid, name, str(value), _ignore if task is None else task.log)
    if is_card(name):
        return fill_in_mac(name, str(value))
    if name == "cipassword" and not is_windows(vm.config):
        return hash_password(str(value))
    return value


def _ignore(_line: str) -> None:
    pass


async def _set(node: Node, vm: Vm, name: str, value: Value, *, running: bool) -> None:
    vm.deleted.discard(name)
    vm.pending.pop(name, None)
    if running and not _applies_at_once(name):
        if vm.config.get(name) != value:
            vm.pending[name] = value
        return
    if running and is_cloud_init(name):
        vm.cloud_init.setdefault(name, vm.config.get(name))
    if is_drive(name) and name in vm.config:
        old = parse_drive(name, str(vm.config[name])).volume
        if old != parse_drive(name, str(value)).volume:
            set_aside(vm.config, node, vm.vmid, name)
    vm.config[name] = value


async def _delete(node: Node, vm: Vm, name: str, *, waits: bool) -> None:
    vm.pending.pop(name, None)
    if name not in vm.config:
        return
    if waits:
        vm.deleted.add(name)
        return
    if is_cloud_init(name) and await node.state(vm) != "stopped":
        vm.cloud_init.setdefault(name, vm.config[name])
    if is_drive(name):
        set_aside(vm.config, node, vm.vmid, name)
        return
    value = vm.config.pop(name)
    if name.startswith("unused"):
        volume = owned_image(node, vm.vmid, parse_drive("scsi0", str(value)))
        if volume is not None:
            await node.hypervisor.delete_disk(volume.path)


_VM = "/nodes/{node}/qemu/{vmid}"
ROUTES = (
    Route("GET", f"{_VM}/config", show_config, _AUDIT),
    Route("PUT", f"{_VM}/config", update, _CHANGE),
    Route("POST", f"{_VM}/config", update_later, _CHANGE),
    Route("GET", f"{_VM}/pending", show_pending, _AUDIT),
)
