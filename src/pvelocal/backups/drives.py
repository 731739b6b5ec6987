"""Which drives of a VM are backed up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pvelocal.drive_options import STATE_SIZES
from pvelocal.guest_spec import DRIVE_SLOTS, Drive, parse_drive
from pvelocal.sizes import format_size
from pvelocal.verification import Value, parse_option

BACKED_UP_SLOTS = (*DRIVE_SLOTS, *STATE_SIZES)
"""Where a VM's disks are."""


@dataclass(frozen=True)
class DriveChoice:
    """A drive with a disk in it, and whether that is backed up."""

    drive: Drive
    volid: str
    included: bool

    def line(self) -> str:
        """What the log says about it."""
        if not self.included:
            return f"INFO: exclude disk '{self.drive.slot}' '{self.volid}' (backup=no)"
        size = "" if self.drive.size is None else f" {format_size(self.drive.size)}"
        return f"INFO: include disk '{self.drive.slot}' '{self.volid}'{size}"


def choose_drives(config: Mapping[str, Value]) -> Iterator[DriveChoice]:
    """All disks of a configuration: no CD drives, and not what cloud-init is given."""
    for slot in BACKED_UP_SLOTS:
        if slot in config:
            drive = parse_drive(slot, str(config[slot]))
            if drive.volume is not None and not drive.cdrom and not drive.cloud_init:
                yield DriveChoice(drive, drive.volume, parse_option(slot, str(config[slot])).get("backup", 1) != 0)


def freezes(config: Mapping[str, Value]) -> bool:
    """Whether the guest's file systems are to be frozen for the moment of the backup."""
    agent = parse_option("agent", str(config["agent"])) if "agent" in config else {}
    return agent.get("enabled") == 1 and agent.get("freeze-fs", 1) == 1
