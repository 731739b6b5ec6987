"""A machine that was made from a backup becomes the instance that it is for.

What the guest's system was installed on, such as its firmware and the bus of its disk, stays as it was backed up. Who
the machine is, what it has and what its guest is told is the instance's: nothing of the source's is left.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bluelobster.instances import blueprint
from bluelobster.instances.machine import Machine

PERSONAL = re.compile(
    r"(net|ipconfig|hostpci|usb|parallel)\d+"
    r"|ci(user|password|custom|type|upgrade)|sshkeys|nameserver|searchdomain|description|tags"
)
DRIVE = re.compile(r"(ide|sata|scsi)\d+")
DISKS = ("scsi0", "sata0", "virtio0", "ide0")


@dataclass(frozen=True)
class Changes:
    """What is to be taken out of a configuration, and then set in it."""

    delete: list[str]
    options: dict[str, str | int]


def changes(config: Mapping[str, object], machine: Machine, *, keep_password: bool) -> Changes:
    """From a restored configuration to the machine's. The hash of a password in the backup is of use where it is the
    machine's own, or where nobody could log in without it."""
    wanted = blueprint.identity(machine)
    discs = blueprint.discs(machine)
    there = {slot: str(value) for slot, value in config.items() if is_disc(slot, value)}
    kept = {slot for slot, value in there.items() if slot in discs and same_disc(value, discs[slot])}
    foreign = {name for name in config if PERSONAL.fullmatch(name) and name not in wanted}
    if keep_password:
        foreign.discard("cipassword")
    options = {name: value for name, value in wanted.items() if str(config.get(name, "")).strip() != str(value)}
    return Changes(
        delete=sorted(foreign | (there.keys() - kept)),
        options={**options, **{slot: disc for slot, disc in discs.items() if slot not in kept}},
    )


def is_disc(slot: str, value: object) -> bool:
    return DRIVE.fullmatch(slot) is not None and "media=cdrom" in str(value).split(",")


def same_disc(value: str, wanted: str) -> bool:
    """Proxmox names a cloud-init drive after its machine, and makes it anew for each."""
    volume = value.partition(",")[0]
    return "cloudinit" in volume if wanted.endswith(":cloudinit") else volume == wanted.partition(",")[0]


def disk_of(config: Mapping[str, object]) -> str | None:
    """The slot of the disk that the guest's system is on."""
    return next((slot for slot in DISKS if slot in config and not is_disc(slot, config[slot])), None)
