"""The configuration that a restored VM gets."""

import re
import uuid
from collections.abc import Mapping

from pvelocal.backups.drives import BACKED_UP_SLOTS
from pvelocal.guest_spec import is_drive, parse_drive
from pvelocal.options import fill_in_mac, is_card
from pvelocal.verification import Value, parse_option, render_option

_LEFT_OUT = re.compile(r"unused\d+|lock|parent|snapstate|vmstate")


def restored_config(
    archived: Mapping[str, Value], placed: Mapping[str, str], overrides: Mapping[str, Value], *, unique: bool
) -> dict[str, Value]:
    """The archived configuration with the drives as they were `placed` (options by slot), and with overrides.

    A drive that was not backed up is left out. The generation id is always a new one; with `unique` so are the
    addresses of cards and the SMBIOS uuid.
    """
    config = {
        name: value
        for name, value in archived.items()
        if not _LEFT_OUT.fullmatch(name) and (name not in BACKED_UP_SLOTS or _stays(name, str(value)))
    } | dict(placed)
    if "vmgenid" in config:
        config["vmgenid"] = str(uuid.uuid4())
    if unique:
        config |= _renewed(config)
    filled = {name: fill_in_mac(name, str(value)) if is_card(name) else value for name, value in overrides.items()}
    return config | filled


def _stays(slot: str, text: str) -> bool:
    """Whether a drive is one without a disk, such as one for CDs."""
    return is_drive(slot) and parse_drive(slot, text).cdrom


def _renewed(config: Mapping[str, Value]) -> dict[str, Value]:
    renewed: dict[str, Value] = {}
    for name, value in config.items():
        if is_card(name):
            parts = parse_option(name, str(value))
            parts.pop("macaddr", None)
            renewed[name] = fill_in_mac(name, render_option(name, parts))
    if "smbios1" in config:
        identity = parse_option("smbios1", str(config["smbios1"])) | {"uuid": str(uuid.uuid4())}
        renewed["smbios1"] = render_option("smbios1", identity)
    return renewed
