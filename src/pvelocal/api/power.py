"""Starting, stopping and deleting VMs, and looking at their state."""

import asyncio
from collections.abc import Awaitable, Callable

from pvelocal import views
from pvelocal.errors import failed
from pvelocal.guest_spec import agent_enabled, guest_spec
from pvelocal.hypervisor import AgentUnavailable, HypervisorError
from pvelocal.node import Node
from pvelocal.routing import Call, Route, needs
from pvelocal.tasks import Task
from pvelocal.vms import Vm

_SHUTDOWN_SECONDS = 60
_POWER = needs("/vms/{vmid}", "VM.PowerMgmt")


async def show_status(call: Call) -> object:
    """The state and the figures of a VM."""
    vm = call.node.vms.get(call.vmid)
    entry = await views.list_entry(call.node, vm, await call.node.state(vm), full=True)
    entry["ha"] = {"managed": 0}
    if agent_enabled(vm.config):
        entry["agent"] = 1
    return entry


async def list_vms(call: Call) -> object:
    """All VMs that the caller may see."""
    node = call.node
    seen = [vm for vm in node.vms if call.token.may(f"/vms/{vm.vmid}", "VM.Audit")]
    full = call.flag("full")
    return [await views.list_entry(node, vm, await node.state(vm), full=full) for vm in seen]


async def boot(node: Node, vm: Vm, log: Callable[[str], None]) -> None:
    """Start a stopped guest whose lock the caller holds. What waited for the start is applied."""
    if vm.pending or vm.deleted or vm.cloud_init:
        vm.apply_pending()
        vm.cloud_init.clear()
        node.vms.save(vm)
    node.starting.add(vm.vmid)
    try:
        users = await node.gpu_users() if any(name.startswith("hostpci") for name in vm.config) else ()
        spec = guest_spec(vm, node.storages, node.gpus.claim(vm.vmid, vm.config, users), node.acting_firewall(vm.vmid))
        if spec.cloud_init is not None:
            log("generating cloud-init ISO")
        await node.hypervisor.start(spec)
    finally:
        node.starting.discard(vm.vmid)


async def start(call: Call) -> object:
    """Start a VM."""
    node, vmid = call.node, call.vmid

    async def work(task: Task) -> None:
        vm = node.vms.get(vmid)
        async with vm.locked():
            vm.refuse_lock()
            if vm.template:
                raise failed("you can't start a vm if it's a template")
            if await node.state(vm) != "stopped":
                raise failed(f"VM {vmid} already running")
            await boot(node, vm, task.log)

    return call.start("qmstart", str(vmid), work)


async def stop(call: Call) -> object:
    """Pull the plug."""
    node, vmid = call.node, call.vmid

    async def work(_task: Task) -> None:
        vm = node.vms.get(vmid)
        async with vm.locked():
            vm.refuse_lock()
            await node.hypervisor.stop(vmid)

    return call.start("qmstop", str(vmid), work)


async def _power_down(node: Node, vm: Vm, seconds: int, *, force: bool, task: Task) -> None:
    try:
        await node.hypervisor.shutdown(vm.vmid, seconds)
    except HypervisorError as error:
        if force:
            await node.hypervisor.stop(vm.vmid)
            return
        if agent_enabled(vm.config) and not await _agent_answers(node, vm):
            task.log(f"QEMU Guest Agent is not running - VM {vm.vmid} qga command 'guest-ping' failed - got timeout")
        raise failed(f"VM quit/powerdown failed - {error}") from None


async def _agent_answers(node: Node, vm: Vm) -> bool:
    try:
        async with asyncio.timeout(node.settings.agent_timeout):
            await node.hypervisor.agent(vm.vmid, "guest-ping")
    except (AgentUnavailable, HypervisorError, TimeoutError):
        return False
    return True


async def shutdown(call: Call) -> object:
    """Press the power button and wait."""
    node, vmid = call.node, call.vmid
    if vmid in node.vms and await node.state(node.vms.get(vmid)) == "paused":
        raise failed("VM is paused - cannot shutdown")

    async def work(task: Task) -> None:
        vm = node.vms.get(vmid)
        async with vm.locked():
            vm.refuse_lock()
            if await node.state(vm) != "stopped":
                seconds = call.number("timeout", _SHUTDOWN_SECONDS)
                await _power_down(node, vm, seconds, force=call.flag("forceStop"), task=task)

    return call.start("qmshutdown", str(vmid), work)


async def reboot(call: Call) -> object:
    """Shut down and start again, with what waited for a start."""
    node, vm = call.node, await _running(call)

    async def work(task: Task) -> None:
        async with vm.locked():
            vm.refuse_lock()
            seconds = call.number("timeout", _SHUTDOWN_SECONDS)
            await _power_down(node, vm, seconds, force=False, task=task)
            await boot(node, vm, lambda _line: None)

    return call.start("qmreboot", str(vm.vmid), work)


async def _running(call: Call) -> Vm:
    vm = call.node.vms.find(call.vmid)
    if await call.node.state(vm) == "stopped":
        raise failed(f"VM {vm.vmid} not running")
    return vm


def _on_running(kind: str, act: Callable[[Node, int], Awaitable[None]]) -> Callable[[Call], Awaitable[object]]:
    async def handler(call: Call) -> object:
        node, vm = call.node, await _running(call)

        async def work(_task: Task) -> None:
            async with vm.locked():
                vm.refuse_lock()
                await act(node, vm.vmid)

        return call.start(kind, str(vm.vmid), work)

    return handler


reset = _on_running("qmreset", lambda node, vmid: node.hypervisor.reset(vmid))
suspend = _on_running("qmpause", lambda node, vmid: node.hypervisor.pause(vmid))
resume = _on_running("qmresume", lambda node, vmid: node.hypervisor.resume(vmid))


async def destroy(call: Call) -> object:
    """Delete a stopped VM with its disks."""
    node, vm = call.node, call.node.vms.get(call.vmid)
    if vm.config.get("protection"):
        raise failed(f"can't remove VM {vm.vmid} - protection mode enabled")
    if await node.state(vm) != "stopped":
        raise failed(f"VM {vm.vmid} is running - destroy failed")

    async def work(task: Task) -> None:
        async with vm.locked():
            node.vms.get(vm.vmid)
            vm.refuse_lock()
            if await node.state(vm) != "stopped":
                raise failed(f"VM {vm.vmid} is running - destroy failed")
            if call.flag("purge"):
                task.log(f"purging VM {vm.vmid} from related configurations..")
            await node.destroy(vm)

    return call.start("qmdestroy", str(vm.vmid), work)


_VM = "/nodes/{node}/qemu/{vmid}"
ROUTES = (
    Route("GET", "/nodes/{node}/qemu", list_vms),
    Route("GET", f"{_VM}/status/current", show_status, needs("/vms/{vmid}", "VM.Audit")),
    Route("POST", f"{_VM}/status/start", start, _POWER),
    Route("POST", f"{_VM}/status/stop", stop, _POWER),
    Route("POST", f"{_VM}/status/shutdown", shutdown, _POWER),
    Route("POST", f"{_VM}/status/reboot", reboot, _POWER),
    Route("POST", f"{_VM}/status/reset", reset, _POWER),
    Route("POST", f"{_VM}/status/suspend", suspend, _POWER),
    Route("POST", f"{_VM}/status/resume", resume, _POWER),
    Route("DELETE", _VM, destroy, needs("/vms/{vmid}", "VM.Allocate")),
)
