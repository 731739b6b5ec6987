"""A NoCloud drive of our own: Proxmox's cannot carry user data that comes through its API.

Ours goes in as vendor data, the customer's as user data: cloud-init merges the second over the first. The instance id
stays the same for a machine's whole life, so that a new name does not run the customer's commands again; cloud-init
follows the host name without it. Keys are in the meta data as well, where no setting of the customer replaces them.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import BinaryIO

from pycdlib import PyCdlib

VOLUME_ID = "cidata"


@dataclass(frozen=True)
class Card:
    """A network card and its address, as `a.b.c.d/prefix`; the gateway on one of them."""

    mac: str
    address: str
    gateway: str | None


@dataclass(frozen=True)
class Guest:
    """What the drive tells a guest about itself."""

    instance_id: str
    hostname: str
    username: str
    ssh_keys: Sequence[str]
    password_hash: str | None
    cards: Sequence[Card]
    nameservers: Sequence[str]


def documents(guest: Guest, user_data: str, script: str | None) -> dict[str, str]:
    """The files of the drive. `script` is for a guest that has no cloud-init to read the user data with."""
    files = {
        "meta-data": meta_data(guest),
        "vendor-data": vendor_data(guest),
        "network-config": network_config(guest),
        "user-data": user_data,
    }
    return files if script is None else {**files, "user-script": script}


def meta_data(guest: Guest) -> str:
    facts = {
        "instance-id": guest.instance_id,
        "local-hostname": guest.hostname,
        "public-keys": list(guest.ssh_keys),
    }
    return _yaml(facts)


def vendor_data(guest: Guest) -> str:
    """What Proxmox's drive would say, each text in quotes."""
    config: dict[str, object] = {
        "hostname": guest.hostname,
        "fqdn": guest.hostname,
        "manage_etc_hosts": True,
        "user": guest.username,
    }
    if guest.password_hash:
        config["password"] = guest.password_hash
    if guest.ssh_keys:
        config["ssh_authorized_keys"] = list(guest.ssh_keys)
    return "#cloud-config\n" + _yaml({**config, "chpasswd": {"expire": False}, "users": ["default"]})


def _yaml(values: Mapping[str, object]) -> str:
    """A name a line, an entry of a list a line; the values as JSON, which is YAML that needs no guessing."""
    lines = []
    for name, value in values.items():
        if isinstance(value, list):
            lines += [f"{name}:", *(f"  - {_json(entry)}" for entry in value)] if value else [f"{name}: []"]
        else:
            lines.append(f"{name}: {_json(value)}")
    return "\n".join(lines) + "\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def network_config(guest: Guest) -> str:
    """Version 1, in the form that Proxmox writes."""
    lines = ["version: 1", "config:"]
    for number, card in enumerate(guest.cards):
        interface = ip_interface(card.address)
        lines += [
            "    - type: physical",
            f"      name: eth{number}",
            f"      mac_address: '{card.mac.lower()}'",
            "      subnets:",
            "      - type: static",
            f"        address: '{interface.ip}'",
            f"        netmask: '{interface.netmask}'",
        ]
        if card.gateway is not None:
            lines.append(f"        gateway: '{card.gateway}'")
    if guest.nameservers:
        lines += ["    - type: nameserver", "      address:", *(f"      - '{server}'" for server in guest.nameservers)]
    return "\n".join(lines) + "\n"


def write_drive(file: BinaryIO, files: Mapping[str, str]) -> None:
    """An ISO 9660 image with these files."""
    iso = PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=VOLUME_ID)
    for name, text in files.items():
        content = text.encode()
        short = name.replace("-", "").upper()[:8]
        iso.add_fp(io.BytesIO(content), len(content), iso_path=f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    iso.write_fp(file)
    iso.close()
    file.flush()
