"""QEMU's command line for a guest."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pvelocal.hypervisor import Disk, GuestSpec, HypervisorError, Nic
from pvelocal.qemu.guest_files import GuestFiles
from pvelocal.qemu.lan import lan_netdev
from pvelocal.qemu.wiring import Wiring

AGENT_CHANNEL = "org.qemu.guest_agent.0"
AGENT_DEVICE = "qga0"
BALLOON_DEVICE = "balloon0"
SERIAL_DEVICE = "serial0"
SEED_NODE = "seed"
_CONSOLE_BYTES = 65536
_AHCI_PORTS = 6
# The root bus has no hotplug.
_CARDS_BUS = "cards"
_DISK_FORMATS = {".qcow2": "qcow2", ".raw": "raw"}
_CARD_MODELS = {"virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e"}

Accelerator = Literal["kvm", "tcg"]


@dataclass(frozen=True)
class Machine:
    """What of this machine the command line depends on."""

    program: str
    accelerator: Accelerator
    wiring: Wiring
    firmware: Path | None = None

    @property
    def ssh_port(self) -> int:
        """The port of a guest's address that leads to its SSH server."""
        return self.wiring.ssh_port


def command_line(spec: GuestSpec, files: GuestFiles, machine: Machine) -> list[str]:
    """The whole command; HypervisorError for what QEMU cannot do."""
    return [
        machine.program,
        *_process(spec, files),
        *_machine(spec, machine),
        *_firmware(spec, files, machine),
        *_display(spec, files),
        *_channels(spec, files),
        *_disks(spec),
        *_seed(spec, files),
        *_cards(spec, files, machine),
        *_gpus(spec),
    ]


def disk_node(slot: str) -> str:
    """Name of the block node of a drive."""
    return f"drive-{slot}"


def firmware_variables(spec: GuestSpec, files: GuestFiles) -> Path:
    """Where UEFI keeps its variables: on the guest's disk for them, where that is a raw one."""
    state = spec.firmware_state
    return state if state is not None and state.suffix == ".raw" else files.firmware_variables


def disk_format(path: Path) -> str:
    """Format of a disk by its file's extension; HypervisorError for one that guests cannot run on."""
    try:
        return _DISK_FORMATS[path.suffix]
    except KeyError:
        raise HypervisorError(f"disk format '{path.suffix.removeprefix('.')}' is not supported") from None


def _process(spec: GuestSpec, files: GuestFiles) -> list[str]:
    return [
        *("-name", f"guest={_escaped(spec.name)},debug-threads=on"),
        *("-pidfile", str(files.pid_file)),
        "-daemonize",
        "-no-user-config",
        "-nodefaults",
        # Nothing stricter: -daemonize itself forks and starts a session.
        *("-sandbox", "on,obsolete=deny,resourcecontrol=deny"),
    ]


def _machine(spec: GuestSpec, machine: Machine) -> list[str]:
    memory = f"{spec.memory_mb}M"
    return [
        *("-accel", "kvm" if machine.accelerator == "kvm" else "tcg,thread=multi,tb-size=256"),
        *("-machine", "q35,memory-backend=ram"),
        *("-cpu", _processor(spec, machine)),
        *("-smp", f"cpus={spec.cores},sockets=1,cores={spec.cores},threads=1"),
        *("-m", memory),
        # Not reserved: a guest may be given more memory than the machine has, as long as it does not use it.
        *("-object", f"memory-backend-ram,id=ram,size={memory},reserve=off"),
        *("-smbios", f"type=1,uuid={spec.uuid}"),
        *("-uuid", spec.uuid),
        *("-rtc", f"base={'localtime' if _is_windows(spec) else 'utc'}"),
    ]


def _processor(spec: GuestSpec, machine: Machine) -> str:
    if machine.accelerator == "tcg":
        # The richest model whose instructions are cheap to emulate; rdrand seeds the guest's random numbers.
        return "Nehalem,+rdrand"
    hints = ",hv_relaxed,hv_spinlocks=0x1fff,hv_vapic,hv_time" if _is_windows(spec) else ""
    return f"host{hints}"


def _firmware(spec: GuestSpec, files: GuestFiles, machine: Machine) -> list[str]:
    if spec.bios == "seabios":
        return []
    code = f"if=pflash,unit=0,format=raw,readonly=on,file={_escaped(str(machine.firmware))}"
    state = _escaped(str(firmware_variables(spec, files)))
    variables = f"if=pflash,unit=1,format=raw,node-name={disk_node('efidisk0')},file={state}"
    return ["-drive", code, "-drive", variables]


def _display(spec: GuestSpec, files: GuestFiles) -> list[str]:
    pointer = ["-device", "qemu-xhci,id=usb", "-device", "usb-tablet,bus=usb.0"] if _has_person(spec) else []
    return ["-display", "none", "-vga", "std", "-vnc", f"unix:{_escaped(str(files.display))},password=on", *pointer]


def _channels(spec: GuestSpec, files: GuestFiles) -> list[str]:
    agent = [
        *("-device", "virtio-serial-pci,id=channels"),
        *("-chardev", f"socket,id={AGENT_DEVICE},path={_escaped(str(files.agent))},server=on,wait=off"),
        *("-device", f"virtserialport,bus=channels.0,chardev={AGENT_DEVICE},name={AGENT_CHANNEL}"),
    ]
    return [
        *("-qmp", f"unix:{_escaped(str(files.monitor))},server=on,wait=off"),
        *("-qmp", f"unix:{_escaped(str(files.second_monitor))},server=on,wait=off"),
        # The last words of the guest's console, in memory: a file would grow as the guest likes.
        *("-chardev", f"ringbuf,id={SERIAL_DEVICE},size={_CONSOLE_BYTES}", "-serial", f"chardev:{SERIAL_DEVICE}"),
        *("-device", f"virtio-balloon-pci,id={BALLOON_DEVICE}"),
        *("-device", "virtio-rng-pci"),
        *(agent if spec.agent else ()),
    ]


def _disks(spec: GuestSpec) -> list[str]:
    words: list[str] = []
    on_ahci = [disk for disk in spec.disks if _is_on_ahci(disk)]
    if len(on_ahci) > _AHCI_PORTS:
        raise HypervisorError(f"at most {_AHCI_PORTS} CD drives and SATA disks are possible")
    for disk in spec.disks:
        drive = f"id={disk.slot},drive={disk_node(disk.slot)}"
        device = f"virtio-blk-pci,{drive},serial={disk.slot}"
        if disk in on_ahci:
            model = "ide-cd" if disk.media == "cdrom" else "ide-hd"
            device = f"{model},bus=ide.{on_ahci.index(disk)},{drive}"
        kind = "raw" if disk.media == "cdrom" else disk_format(disk.path)
        words += [*_drive(disk, kind), "-device", device + _boot_index(disk)]
    return words


def _is_on_ahci(disk: Disk) -> bool:
    """Whether it is a drive that every system has a driver for."""
    return disk.media == "cdrom" or disk.slot.startswith(("ide", "sata"))


def _drive(disk: Disk, driver: str) -> list[str]:
    node: dict[str, object] = {
        "driver": driver,
        "node-name": disk_node(disk.slot),
        "file": {"driver": "file", "node-name": f"file-{disk.slot}", "filename": str(disk.path)},
    }
    node |= {"read-only": True} if disk.media == "cdrom" else {"discard": "unmap", "detect-zeroes": "unmap"}
    return ["-blockdev", json.dumps(node)]


def _boot_index(disk: Disk) -> str:
    return "" if disk.boot_index is None else f",bootindex={disk.boot_index}"


def _seed(spec: GuestSpec, files: GuestFiles) -> list[str]:
    if spec.cloud_init is None:
        return []
    file = {"driver": "file", "filename": str(files.seed)}
    node = {"driver": "raw", "node-name": SEED_NODE, "read-only": True, "file": file}
    return ["-blockdev", json.dumps(node), "-device", f"virtio-blk-pci,id=cloudinit,drive={SEED_NODE},serial=cloudinit"]


def card_name(index: int) -> str:
    """Name of the device that is a card."""
    return f"nic{index}"


def card_options(nic: Nic, files: GuestFiles, machine: Machine) -> tuple[str, str]:
    """A card: the network behind it, and the device. All but the first are where they can be put in and taken out."""
    tagged = nic.tag is not None
    network = lan_netdev(nic, files.sockets, files.vmid) if tagged else machine.wiring.netdev(files.vmid, nic)
    place = f",bus={_CARDS_BUS},addr={nic.index}" if nic.index else ""
    return network, f"{_card_model(nic)},netdev=net{nic.index},id={card_name(nic.index)},mac={nic.mac},romfile={place}"


def _card_model(nic: Nic) -> str:
    try:
        return _CARD_MODELS[nic.model]
    except KeyError:
        raise HypervisorError(f"network card model '{nic.model}' is not supported") from None


def _cards(spec: GuestSpec, files: GuestFiles, machine: Machine) -> list[str]:
    words = ["-device", "i82801b11-bridge,id=dmi", "-device", f"pci-bridge,id={_CARDS_BUS},bus=dmi,addr=1,chassis_nr=1"]
    for nic in spec.nics:
        network, device = card_options(nic, files, machine)
        words += ["-netdev", network, "-device", device]
    return words


def _gpus(spec: GuestSpec) -> list[str]:
    words: list[str] = []
    for index in range(spec.gpus):
        port = f"pcie-root-port,id=gpu-port{index},bus=pcie.0,chassis={index + 1},slot={index + 1}"
        words += ["-device", port, "-device", f"bochs-display,id=hostpci{index},bus=gpu-port{index},romfile="]
    return words


def _is_windows(spec: GuestSpec) -> bool:
    return spec.os_type.startswith("w")


def _has_person(spec: GuestSpec) -> bool:
    """Whether somebody is likely to work at the screen, where the pointer should follow theirs."""
    return _is_windows(spec) or any(disk.media == "cdrom" for disk in spec.disks)


def _escaped(text: str) -> str:
    """QEMU separates options by commas; one inside a value is doubled."""
    return text.replace(",", ",,")
