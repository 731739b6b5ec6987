"""The guest agent's commands."""

import asyncio
from collections.abc import Awaitable, Callable

from pvelocal.errors import failed
from pvelocal.guest_spec import agent_enabled
from pvelocal.hypervisor import AgentUnavailable
from pvelocal.routing import Call, Route, needs

_READING = ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted")
_FREEZING = ("VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.Unrestricted")

_COMMANDS = {
    "POST ping": _READING,
    "GET info": _READING,
    "GET get-fsinfo": _READING,
    "GET get-host-name": _READING,
    "GET get-osinfo": _READING,
    "GET get-time": _READING,
    "GET get-timezone": _READING,
    "GET get-users": _READING,
    "GET get-vcpus": _READING,
    "GET network-get-interfaces": _READING,
    "POST fsfreeze-freeze": _FREEZING,
    "POST fsfreeze-status": _FREEZING,
    "POST fsfreeze-thaw": _FREEZING,
    "POST fstrim": _FREEZING,
}
"""The commands by method and path, with the privileges that allow them."""


def _ask(command: str) -> Callable[[Call], Awaitable[object]]:
    async def handler(call: Call) -> object:
        vm = call.node.vms.get(call.vmid)
        if await call.node.state(vm) == "stopped":
            raise failed(f"VM {vm.vmid} is not running")
        if not agent_enabled(vm.config):
            raise failed("No QEMU guest agent configured")
        try:
            async with asyncio.timeout(call.node.settings.agent_timeout):
                return {"result": await call.node.hypervisor.agent(vm.vmid, f"guest-{command}")}
        except (AgentUnavailable, TimeoutError):
            raise failed("QEMU guest agent is not running") from None

    return handler


def _route(call: str, privileges: tuple[str, ...]) -> Route:
    method, command = call.split()
    path = f"/nodes/{{node}}/qemu/{{vmid}}/agent/{command}"
    return Route(method, path, _ask(command), needs("/vms/{vmid}", *privileges))


ROUTES = tuple(_route(call, privileges) for call, privileges in _COMMANDS.items())
