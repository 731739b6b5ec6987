"""Calls about virtual machines."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from bluelobster.pve.calls import Calls, upid_of
from bluelobster.pve.fields import mapping, mappings
from bluelobster.pve.transport import NO_PARAMETERS
from bluelobster.pve.types import Interface, VmConfig, VmStatus, VmSummary
from bluelobster.pve.upid import Upid


class VmCalls(Calls):
    """Calls that return a Upid only start a task: what is documented as raised may come from waiting for it."""

    async def vms(self) -> list[VmSummary]:
        """All virtual machines of the cluster that the token may see: an empty list proves nothing."""
        answer = mappings(await self._transport.get("/cluster/resources", {"type": "vm"}))
        return [VmSummary.parse(fields) for fields in answer if fields.get("type") == "qemu"]

    async def create_vm(self, vmid: int, options: Mapping[str, str | int]) -> Upid:
        """Make a virtual machine. Raises VmExists, InvalidParameter, StorageNotFound, Forbidden."""
        return upid_of(await self._transport.post(self._path("qemu"), {**options, "vmid": vmid}))

    async def vm_config(self, vmid: int, *, current: bool = False) -> VmConfig:
        """The configuration, with changes that wait for the next start, or as it is at the moment with `current`.
        Raises VmNotFound."""
        options = {"current": 1} if current else NO_PARAMETERS
        return VmConfig.parse(mapping(await self._transport.get(self._vm(vmid, "config"), options)))

    async def update_vm(
        self, vmid: int, options: Mapping[str, str | int] = NO_PARAMETERS, delete: Sequence[str] = ()
    ) -> None:
        """Set options and take others away, at once; taking away what is not set is no error.

        With `digest` among the options a configuration that changed since is left alone: ConfigChanged.
        Raises VmNotFound, VmLocked, InvalidParameter, and HotplugFailed for what is set but waits for the next start.
        """
        parameters = {**options, **({"delete": ",".join(delete)} if delete else {})}
        # A repeated call with a digest would meet its own change and take it for somebody else's.
        await self._transport.put(self._vm(vmid, "config"), parameters, repeatable="digest" not in options)

    async def renew_cloud_init(self, vmid: int) -> None:
        """Make the cloud-init drive anew, a running machine's too. Raises VmNotFound, VmLocked."""
        await self._transport.put(self._vm(vmid, "cloudinit"), NO_PARAMETERS)

    async def resize_disk(self, vmid: int, disk: str, size_gb: int) -> Upid:
        """Grow a disk, such as `scsi0`, to a size in GiB. Raises DiskShrink, DiskMissing, VmLocked."""
        return upid_of(await self._transport.put(self._vm(vmid, "resize"), {"disk": disk, "size": f"{size_gb}G"}))

    async def start(self, vmid: int) -> Upid:
        """Start it. Raises VmRunning when it runs already, VmLocked, VmNotFound."""
        return await self._power(vmid, "start")

    async def stop(self, vmid: int) -> Upid:
        """Pull the plug; a stopped one stays stopped. Raises VmLocked, VmNotFound."""
        return await self._power(vmid, "stop")

    async def shutdown(self, vmid: int, timeout_seconds: int) -> Upid:
        """Ask the guest to shut down. Raises GuestTimeout after the time, VmPaused, VmLocked, VmNotFound."""
        return await self._power(vmid, "shutdown", {"timeout": timeout_seconds})

    async def reset(self, vmid: int) -> Upid:
        """Press the reset button. Raises VmNotRunning, VmLocked, VmNotFound."""
        return await self._power(vmid, "reset")

    async def vm_status(self, vmid: int) -> VmStatus:
        """Power, load and counters. Raises VmNotFound."""
        return VmStatus.parse(mapping(await self._transport.get(self._vm(vmid, "status", "current"))))

    async def agent_ping(self, vmid: int) -> None:
        """Returns when the guest agent answers. Raises AgentNotRunning, and VmNotRunning when the machine is off."""
        await self._transport.post(self._vm(vmid, "agent", "ping"))

    async def agent_interfaces(self, vmid: int) -> list[Interface]:
        """The network cards as the guest sees them. Raises AgentNotRunning, VmNotRunning."""
        answer = mapping(await self._transport.get(self._vm(vmid, "agent", "network-get-interfaces")))
        return [Interface.parse(fields) for fields in mappings(answer.get("result"))]

    async def destroy(self, vmid: int) -> Upid:
        """Remove it with its disks and all that mentions it. Raises VmNotFound, VmRunning, VmLocked, VmProtected."""
        options = {"purge": 1, "destroy-unreferenced-disks": 1}
        return upid_of(await self._transport.delete(self._vm(vmid), options))

    async def _power(self, vmid: int, action: str, options: Mapping[str, str | int] = NO_PARAMETERS) -> Upid:
        return upid_of(await self._transport.post(self._vm(vmid, "status", action), options))

    def _vm(self, vmid: int, *parts: str) -> str:
        return self._path("qemu", vmid, *parts)


def encode_ssh_keys(keys: str) -> str:
    """Public keys, one a line, as the option `sshkeys` takes them: percent-encoded, besides the form's own encoding."""
    return quote("\n".join(line.strip() for line in keys.splitlines() if line.strip()), safe="")
