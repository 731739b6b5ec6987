"""Turns drive options as they are asked for (`local:0,import-from=…`, `local:32`) into disks and stored options."""

from collections.abc import Callable

from pvelocal.guest_spec import Drive, parse_drive
from pvelocal.node import Node
from pvelocal.sizes import format_progress, format_size
from pvelocal.storage import Volume
from pvelocal.verification import Value, parse_option, render_option

Log = Callable[[str], None]

_CLOUD_INIT_SIZE = 4 << 20

STATE_SIZES = {"efidisk0": 528 << 10, "tpmstate0": 4 << 20}
"""What UEFI and a TPM keep their state on, and how big it is, whatever is asked for."""


def log_formatting(log: Log, volume: Volume, size: int) -> None:
    """The line about a new image file."""
    if volume.format == "raw":
        log(f"Formatting '{volume.path}', fmt=raw size={size} preallocation=off")
        return
    layout = "cluster_size=65536 extended_l2=off preallocation=metadata compression_type=zlib"
    log(f"Formatting '{volume.path}', fmt={volume.format} {layout} size={size} lazy_refcounts=off refcount_bits=16")


def log_transfer(log: Log, size: int) -> None:
    """The lines about a copied disk."""
    total = format_progress(size)
    for step in (0, 1, 1):
        log(f"transferred {format_progress(size * step)} of {total} ({step:.2%})")


def makes_volume(text: str) -> bool:
    """Whether a drive option asks for a new volume."""
    name = parse_source(text).partition(":")[2]
    return name == "cloudinit" or name.replace(".", "", 1).isdigit()


def parse_source(text: str) -> str:
    """The first, bare part of a drive option."""
    first = text.partition(",")[0]
    return first.partition("=")[2] if first.startswith(("file=", "volume=")) else first


async def place_drive(node: Node, vmid: int, slot: str, text: str, log: Log) -> str:
    """Make what a drive option asks for and return the option to store.

    ApiError for a storage or volume that does not exist; HypervisorError when the disk cannot be made.
    """
    parts = parse_option(slot, text)
    source = str(parts["file"])
    if source in ("none", "cdrom"):
        return render_option(slot, parts)
    if makes_volume(text):
        option = await _make(node, vmid, slot, parts, log)
        log(f"{slot}: successfully created disk '{option}'")
        return option
    volume = node.storages.existing(source)
    size = await node.hypervisor.disk_size(volume.path) if volume.content == "images" else volume.path.stat().st_size
    return render_option(slot, parts | {"size": format_size(size)})


async def _make(node: Node, vmid: int, slot: str, parts: dict[str, Value], log: Log) -> str:
    storage_name, _, amount = str(parts.pop("file")).partition(":")
    storage = node.storages.get(storage_name)
    if amount == "cloudinit":
        drive = Volume(storage, "images", f"{vmid}/vm-{vmid}-cloudinit.qcow2", owner=vmid)
        log_formatting(log, drive, _CLOUD_INIT_SIZE)
        return render_option(slot, {"media": "cdrom"} | parts | {"file": drive.volid})
    image = parts.pop("import-from", None)
    wanted = parts.pop("format", None)
    if image is None:
        size = STATE_SIZES.get(slot) or int(float(amount) * (1 << 30))
        volume = storage.new_image(vmid, str(wanted or "raw"))
        log_formatting(log, volume, size)
        await node.hypervisor.create_disk(volume.path, size, None)
    else:
        source = node.storages.existing(str(image))
        size = await node.hypervisor.disk_size(source.path)
        log(f"create full clone of drive ({source.volid})")
        volume = storage.new_image(vmid, str(wanted or source.format))
        log_formatting(log, volume, size)
        log(f"allocated target volume '{volume.volid}'")
        await node.hypervisor.create_disk(volume.path, size, source.path)
        log_transfer(log, size)
    return render_option(slot, parts | {"file": volume.volid, "size": format_size(size)})


def owned_image(node: Node, vmid: int, drive: Drive) -> Volume | None:
    """The image in a drive, when it belongs to the VM and is a disk of its own."""
    if drive.volume is None or drive.cloud_init or drive.cdrom:
        return None
    volume = node.storages.volume(drive.volume)
    return volume if volume.owner == vmid else None


def set_aside(config: dict[str, Value], node: Node, vmid: int, slot: str) -> None:
    """Take a drive out of a configuration; a disk of the VM's own stays as `unusedN`."""
    volume = owned_image(node, vmid, parse_drive(slot, str(config.pop(slot))))
    if volume is not None:
        index = next(number for number in range(256) if f"unused{number}" not in config)
        config[f"unused{index}"] = volume.volid
