"""A machine in Proxmox's words: what it is made of, and what its first boot is told."""

from bluelobster.instances.machine import Machine
from bluelobster.instances.names import hostname_of
from bluelobster.pve import encode_ssh_keys
from bluelobster.tasks.operation import GiveUp


def vm_options(machine: Machine) -> dict[str, str | int]:
    """The machine in Proxmox's words. GPUs go through resource mappings: a token may not name a device."""
    if machine.image is None or machine.address is None:
        raise GiveUp("the host lost the template's image, or the machine its address")
    address = machine.address
    options: dict[str, str | int] = {
        "name": hostname_of(machine.name),
        "description": machine.mark,
        "tags": "bluelobster",
        "smbios1": f"uuid={machine.id}",
        "ostype": "win10" if machine.os_type == "windows" else "l26",
        "machine": "q35",
        "cpu": "host",
        "cores": machine.vcpus,
        "memory": machine.memory_gb * 1024,
        "agent": "enabled=1",
        "serial0": "socket",
        "scsihw": "virtio-scsi-single",
        "scsi0": f"{machine.storage}:0,import-from={machine.image},discard=on",
        "boot": "order=scsi0",
        "net0": f"virtio={address.mac},bridge={machine.bridge},firewall=1",
        **cloud_init(machine),
    }
    for number, mapping in enumerate(machine.gpus):
        options[f"hostpci{number}"] = f"mapping={mapping},pcie=1"
    return options


def cloud_init(machine: Machine) -> dict[str, str | int]:
    """The first boot: user, key or password, address. Without a package upgrade, which takes up to 19 minutes."""
    if machine.address is None:
        raise GiveUp("the machine lost its address")
    address = machine.address
    options: dict[str, str | int] = {
        "ide2": f"{machine.storage}:cloudinit",
        "ciupgrade": 0,
        "ciuser": machine.username,
        "ipconfig0": f"ip={address.address}/{address.prefix},gw={address.gateway}",
    }
    if address.nameservers:
        options["nameserver"] = " ".join(address.nameservers)
    if machine.ssh_key:
        options["sshkeys"] = encode_ssh_keys(machine.ssh_key)
    if machine.password_hash:
        options["cipassword"] = machine.password_hash
    return options
