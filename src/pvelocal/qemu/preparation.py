"""What is checked and made before a guest starts."""

import asyncio
from pathlib import Path

from pvelocal.cloudinit import render_network
from pvelocal.hypervisor import CloudInit, GuestSpec, HypervisorError
from pvelocal.qemu.command import Machine, firmware_variables
from pvelocal.qemu.guest_files import GuestFiles, GuestRecord
from pvelocal.qemu.network import taken_addresses
from pvelocal.qemu.programs import apt_command
from pvelocal.qemu.seed import rewrite_seed, write_seed
from pvelocal.qemu.wiring import Wiring

FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
"""UEFI for guests."""

_FIRMWARE_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")


def check(spec: GuestSpec, machine: Machine) -> None:
    """HypervisorError for a guest that cannot be started."""
    if spec.bios == "ovmf" and machine.firmware is None:
        raise HypervisorError(f"UEFI firmware is not installed; install with: {apt_command(['ovmf'])}")
    if spec.tpm:
        raise HypervisorError("this node has no TPM to give: its guests run without swtpm")
    for disk in spec.disks:
        if not disk.path.exists():
            raise HypervisorError(f"volume '{disk.path.name}' does not exist")
    port = machine.ssh_port
    taken = taken_addresses(spec.nics, port)
    if taken:
        raise HypervisorError(f"port {port} of address {taken[0]} cannot be had: in use, or not of this machine")


async def prepare(spec: GuestSpec, files: GuestFiles, wiring: Wiring) -> None:
    """Make the files of a guest that is about to start."""
    files.make()
    if spec.bios == "ovmf":
        _fill_firmware_variables(firmware_variables(spec, files), files)
    if spec.cloud_init is not None:
        await asyncio.to_thread(write_seed, files.seed, _seed_documents(spec, spec.cloud_init, wiring))
    GuestRecord.of(spec).write(files)


def _fill_firmware_variables(target: Path, files: GuestFiles) -> None:
    """Give UEFI what it starts from, unless it has kept something already."""
    if target.exists() and any(target.read_bytes()):
        return
    known = files.firmware_variables
    content = (known if known.exists() else _FIRMWARE_VARIABLES).read_bytes()
    with target.open("r+b" if target.exists() else "xb") as file:
        file.write(content)


async def renew_seed(spec: GuestSpec, files: GuestFiles, wiring: Wiring) -> None:
    """Make the cloud-init drive of a running guest anew, in its place."""
    if spec.cloud_init is not None:
        await asyncio.to_thread(rewrite_seed, files.seed, _seed_documents(spec, spec.cloud_init, wiring))


def _seed_documents(spec: GuestSpec, cloud_init: CloudInit, wiring: Wiring) -> dict[str, str]:
    """What the cloud-init drive holds: the addresses are those that the guest sees itself with."""
    nics, nameservers = wiring.guest_nics(spec.nics), wiring.guest_nameservers(spec.nics)
    return {
        **cloud_init.further,
        "meta-data": cloud_init.meta_data,
        "network-config": render_network(nics, nameservers, cloud_init.search_domain),
        "user-data": cloud_init.user_data,
    }
