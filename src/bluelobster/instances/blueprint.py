"""A machine in Proxmox's words: what it is made of, and what its first boot is told."""

from bluelobster.instances.machine import Machine
from bluelobster.instances.names import hostname_of
from bluelobster.network.addresses import Assigned
from bluelobster.pve import encode_ssh_keys
from bluelobster.tasks.operation import GiveUp

# Whoever looks at a host sees by it which machines are this software's.
TAG = "bluelobster"


def vm_options(machine: Machine) -> dict[str, str | int]:
    """The machine in Proxmox's words. GPUs go through resource mappings: a token may not name a device."""
    return {
        "ostype": machine.ostype,
        "machine": "q35",
        "cpu": "host",
        "agent": "enabled=1",
        "serial0": "socket",
        **identity(machine),
        **firmware(machine),
        **drives(machine),
        **discs(machine),
    }


def identity(machine: Machine) -> dict[str, str | int]:
    """What the machine is whatever is on its disk: who it is, what it has, and what its guest is told of that."""
    return {
        "name": hostname_of(machine.name),
        "description": machine.mark,
        "tags": TAG,
        "smbios1": f"uuid={machine.id}",
        "cores": machine.vcpus,
        "memory": machine.memory_gb * 1024,
        **cards(machine),
        **{f"hostpci{number}": f"mapping={mapping},pcie=1" for number, mapping in enumerate(machine.gpus)},
        **cloud_init(machine),
    }


def cards(machine: Machine) -> dict[str, str | int]:
    """A network card for each address. The firewall is on for all: without it a guest could send from any address."""
    return {f"net{each.nic}": card(machine, each) for each in machine.addresses}


def card(machine: Machine, address: Assigned) -> str:
    """The card of an address: on the host's way out, or on the account's own network inside."""
    bridge = machine.bridge if address.tag is None else machine.internal_bridge
    if bridge is None:
        raise GiveUp("the host lost its internal bridge")
    tag = "" if address.tag is None else f",tag={address.tag}"
    return f"{card_model(machine)}={address.mac},bridge={bridge},firewall=1{tag}"


def ip_config(address: Assigned) -> str:
    """An address as the guest configures it. Only the primary one's network is a way out: with two a guest would have
    to choose."""
    gateway = f",gw={address.gateway}" if address.is_primary else ""
    return f"ip={address.address}/{address.prefix}{gateway}"


def card_model(machine: Machine) -> str:
    """An installer knows the cards of real machines; our templates know the one that is made for virtual ones."""
    return "e1000" if machine.iso_volume else "virtio"


def drives(machine: Machine) -> dict[str, str | int]:
    """A disk made from the template's image; or an empty one that every installer has a driver for."""
    if machine.iso_volume:
        return {
            "sata0": f"{machine.storage}:{machine.disk_gb},discard=on",
            "boot": "order=ide2;sata0",
        }
    if machine.image is None:
        raise GiveUp("the host lost the template's image")
    return {
        "scsihw": "virtio-scsi-single",
        "scsi0": f"{machine.storage}:0,import-from={machine.image},discard=on",
        "boot": "order=scsi0",
    }


def firmware(machine: Machine) -> dict[str, str | int]:
    """UEFI, with the keys of Secure Boot for Windows, and a TPM, where the template needs them. Proxmox gives the
    disks that they keep their state on the right size, whatever is asked for."""
    if not machine.uefi:
        return {}
    keys = 1 if machine.os_type == "windows" else 0
    options: dict[str, str | int] = {
        "bios": "ovmf",
        "efidisk0": f"{machine.storage}:1,efitype=4m,pre-enrolled-keys={keys}",
    }
    if machine.tpm:
        options["tpmstate0"] = f"{machine.storage}:1,version=v2.0"
    return options


def discs(machine: Machine) -> dict[str, str]:
    """What is in its CD drives: what the first boot is told, and the ISO image that it boots from."""
    if machine.seed_volume is not None:
        return {"ide2": f"{machine.seed_volume},media=cdrom"}
    cloud_init = f"{machine.storage}:cloudinit"
    if machine.iso_volume is not None:
        return {"ide0": cloud_init, "ide2": f"{machine.iso_volume},media=cdrom"}
    return {"ide2": cloud_init}


def cloud_init(machine: Machine) -> dict[str, str | int]:
    """The first boot: user, key or password, address. Without a package upgrade, which takes up to 19 minutes."""
    if machine.address is None:
        raise GiveUp("the machine lost its address")
    options: dict[str, str | int] = {f"ipconfig{each.nic}": ip_config(each) for each in machine.addresses}
    if machine.seed_volume is not None:
        return options
    address = machine.address
    options |= {"ciupgrade": 0, "ciuser": machine.username}
    if address.nameservers:
        options["nameserver"] = " ".join(address.nameservers)
    if machine.ssh_key:
        options["sshkeys"] = encode_ssh_keys(machine.ssh_key)
    if machine.password_hash:
        options["cipassword"] = machine.password_hash
    return options
