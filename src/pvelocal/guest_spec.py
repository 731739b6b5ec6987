"""Reads a VM's configuration: its drives and cards, and what its guest is started from."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pvelocal.cloudinit import render_meta_data, render_network, render_user_data
from pvelocal.firewall import Firewall
from pvelocal.formats import split_list
from pvelocal.hypervisor import CloudInit, Disk, GuestSpec, Nic
from pvelocal.nocloud import is_nocloud, read_nocloud
from pvelocal.sizes import parse_size
from pvelocal.storage import Storages
from pvelocal.verification import Value, parse_option
from pvelocal.vms import Vm

DRIVE_SLOTS = tuple(
    f"{bus}{index}" for bus, count in (("ide", 4), ("sata", 6), ("scsi", 31), ("virtio", 16)) for index in range(count)
)
_DRIVE_SET = frozenset(DRIVE_SLOTS)
_NET = re.compile(r"net(\d+)")
_CLOUD_INIT_VOLUME = re.compile(r".*[:/]vm-\d+-cloudinit(?:\.\w+)?")
_DEFAULT_MEMORY_MB = 512
_RENDERED = frozenset({"meta-data", "network-config", "user-data"})


@dataclass(frozen=True)
class Drive:
    """A drive option. `source` is a volume id, `none` or `cdrom`; `size` is in bytes, where the option says it."""

    slot: str
    source: str
    cdrom: bool
    size: int | None

    @property
    def cloud_init(self) -> bool:
        """Whether it is the drive that Proxmox VE makes for cloud-init."""
        return _CLOUD_INIT_VOLUME.fullmatch(self.source) is not None

    @property
    def volume(self) -> str | None:
        """The id of the volume in it, if any."""
        return None if self.source in ("none", "cdrom") else self.source


def is_drive(slot: str) -> bool:
    """Whether an option is a drive."""
    return slot in _DRIVE_SET


def parse_drive(slot: str, text: str) -> Drive:
    """A drive option."""
    parts = parse_option(slot, text)
    size = str(parts["size"]) if "size" in parts else None
    return Drive(slot, str(parts["file"]), parts.get("media") == "cdrom", None if size is None else parse_size(size))


def drives(config: Mapping[str, Value]) -> list[Drive]:
    """The drives of a configuration."""
    return [parse_drive(slot, str(text)) for slot, text in config.items() if slot in _DRIVE_SET]


def boot_order(config: Mapping[str, Value]) -> list[str]:
    """The slots to boot from, the first first."""
    text = str(config.get("boot", ""))
    return str(parse_option("boot", text).get("order", "")).split(";") if text else []


def default_boot_order(config: Mapping[str, Value]) -> str:
    """What Proxmox VE makes of no `boot`: the first disk, the first CD, the first card."""
    found = drives({slot: config[slot] for slot in DRIVE_SLOTS if slot in config})
    disk = next((drive.slot for drive in found if not drive.cdrom), None)
    cdrom = next((drive.slot for drive in found if drive.cdrom), None)
    card = min((name for name in config if _NET.fullmatch(name)), key=lambda name: int(name[3:]), default=None)
    return ";".join(name for name in (disk, cdrom, card) if name is not None)


def boot_disk_size(config: Mapping[str, Value]) -> int:
    """Bytes of the disk that the VM boots from, which lists show as `maxdisk`."""
    for slot in [*boot_order(config), *DRIVE_SLOTS]:
        if slot in config and slot in _DRIVE_SET:
            drive = parse_drive(slot, str(config[slot]))
            if not drive.cdrom:
                return drive.size or 0
    return 0


def cores(config: Mapping[str, Value]) -> int:
    """Virtual CPUs."""
    return int(config.get("cores", 1)) * int(config.get("sockets", 1))


def memory_mb(config: Mapping[str, Value]) -> int:
    """Memory in MiB."""
    return int(parse_option("memory", str(config["memory"]))["current"]) if "memory" in config else _DEFAULT_MEMORY_MB


def agent_enabled(config: Mapping[str, Value]) -> bool:
    """Whether the guest agent's channel is there."""
    return "agent" in config and parse_option("agent", str(config["agent"])).get("enabled") == 1


def uuid(config: Mapping[str, Value]) -> str:
    """The SMBIOS uuid."""
    return str(parse_option("smbios1", str(config.get("smbios1", ""))).get("uuid", ""))


def nics(config: Mapping[str, Value]) -> Iterator[Nic]:
    """The network cards, in their order."""
    indexes = sorted(int(match[1]) for match in map(_NET.fullmatch, config) if match)
    for index in indexes:
        card = parse_option(f"net{index}", str(config[f"net{index}"]))
        address = parse_option(f"ipconfig{index}", str(config.get(f"ipconfig{index}", "")))
        yield Nic(
            index=index,
            mac=str(card["macaddr"]),
            bridge=str(card.get("bridge", "")),
            address=_text(address.get("ip")),
            gateway=_text(address.get("gw")),
            model=str(card.get("model", "virtio")),
            firewall=bool(card.get("firewall", 0)),
            tag=int(card["tag"]) if "tag" in card else None,
        )


def _text(value: Value | None) -> str | None:
    return None if value is None else str(value)


def name_servers(config: Mapping[str, Value]) -> list[str]:
    """The name servers that cloud-init is told."""
    return split_list(str(config.get("nameserver", "")))


def search_domain(config: Mapping[str, Value]) -> str | None:
    """The search domain that cloud-init is told."""
    return _text(config.get("searchdomain"))


def documents(vm: Vm) -> dict[str, str]:
    """The cloud-init documents by kind: `user`, `network`, `meta`."""
    config = vm.wanted()
    user = render_user_data(vm.host_name, config)
    network = render_network(list(nics(config)), name_servers(config), search_domain(config))
    return {"user": user, "network": network, "meta": render_meta_data(user, network)}


def guest_spec(vm: Vm, storages: Storages, gpus: int, firewall: Firewall | None = None) -> GuestSpec:
    """What a guest is started from; ApiError for a drive whose volume does not exist."""
    config = vm.config
    found = drives(config)
    seed = _cloud_init(vm) if any(drive.cloud_init for drive in found) else _attached(found, vm, storages)
    return GuestSpec(
        vmid=vm.vmid,
        name=vm.host_name,
        uuid=uuid(config),
        cores=cores(config),
        memory_mb=memory_mb(config),
        disks=tuple(_disks(found, storages, boot_order(config))),
        nics=tuple(nics(config)),
        firewall=firewall,
        cloud_init=seed,
        gpus=gpus,
        agent=agent_enabled(config),
        bios="ovmf" if config.get("bios") == "ovmf" else "seabios",
        firmware_state=_firmware_state(config, storages),
        tpm="tpmstate0" in config,
        os_type=str(config.get("ostype", "other")),
    )


def _firmware_state(config: Mapping[str, Value], storages: Storages) -> Path | None:
    volume = parse_drive("efidisk0", str(config["efidisk0"])).volume if "efidisk0" in config else None
    return None if volume is None else storages.existing(volume).path


def _disks(found: list[Drive], storages: Storages, order: list[str]) -> Iterator[Disk]:
    for drive in found:
        if drive.volume is not None and not drive.cloud_init:
            index = order.index(drive.slot) if drive.slot in order else None
            path = storages.existing(drive.volume).path
            if not (drive.cdrom and is_nocloud(path)):
                yield Disk(drive.slot, path, "cdrom" if drive.cdrom else "disk", index)


def _attached(found: list[Drive], vm: Vm, storages: Storages) -> CloudInit | None:
    """What an attached NoCloud image says. It knows the addresses that customers know, not those that guests have
    here; so the guest gets it as it gets Proxmox's own."""
    volumes = [drive.volume for drive in found if drive.cdrom and drive.volume is not None and not drive.cloud_init]
    for path in (storages.existing(volume).path for volume in volumes):
        if is_nocloud(path):
            files = read_nocloud(path)
            further = {name: text for name, text in files.items() if name not in _RENDERED}
            servers = tuple(name_servers(vm.config))
            user_data, meta_data = files.get("user-data", ""), files.get("meta-data", "")
            return CloudInit(user_data, meta_data, servers, search_domain(vm.config), further)
    return None


def _cloud_init(vm: Vm) -> CloudInit:
    texts = documents(vm)
    servers = tuple(name_servers(vm.config))
    return CloudInit(texts["user"], texts["meta"], servers, search_domain(vm.config))
