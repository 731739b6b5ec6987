"""What holds for options however they are set: who may set them, and what is filled in."""

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Mapping
from itertools import pairwise
from urllib.parse import unquote

from passlib.hash import sha256_crypt

from pvelocal.access import Token
from pvelocal.drive_options import makes_volume, parse_source
from pvelocal.errors import failed
from pvelocal.guest_spec import is_drive
from pvelocal.node import BRIDGE_ZONE, Node
from pvelocal.verification import OPTIONS, Value, parse_option, render_option

_MAC_PREFIX = "BC:24:11"
_ROOT_ONLY = ("args", "lock", "skiplock")
_NET = re.compile(r"net\d+")
_HOST_PCI = re.compile(r"hostpci\d+")
_CRYPT_HASH = re.compile(r"\$(?:[156]|2[ay])(?:\$.+){2}")


CONFIG_PRIVILEGES = (
    "VM.Config.Disk", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Network", "VM.Config.HWType",
    "VM.Config.Options", "VM.Config.Cloudinit",
)  # fmt: skip
"""Those of which a caller needs at least one to change anything."""

_PRIVILEGES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"ci\w+|sshkeys|nameserver|searchdomain|ipconfig\d+"), ("VM.Config.Cloudinit", "VM.Config.Network")),
    (re.compile(r"(?:ide|sata|scsi|virtio|unused)\d+|scsihw"), ("VM.Config.Disk", "VM.Config.CDROM")),
    (re.compile(r"efidisk0|tpmstate0"), ("VM.Config.Disk",)),
    (re.compile(r"net\d+"), ("VM.Config.Network",)),
    (re.compile(r"cores|sockets|cpu\w*|vcpus|numa\d*|affinity"), ("VM.Config.CPU",)),
    (re.compile(r"memory|balloon|shares"), ("VM.Config.Memory",)),
    (re.compile(r"(?:hostpci|serial|usb)\d+|bios|machine|vga|tablet|watchdog|smbios1|rng0"), ("VM.Config.HWType",)),
    (re.compile(r".*"), ("VM.Config.Options",)),
)
"""By option, the first that matches: one of these is needed."""


_NOT_OPTIONS = frozenset({"node", "vmid", "digest", "delete", "revert", "force", "skiplock", "background_delay"})


def asked_options(parameters: Mapping[str, Value]) -> dict[str, Value]:
    """The options of a configuration among the parameters of a call that makes a VM."""
    return {name: value for name, value in parameters.items() if name in OPTIONS and name not in _NOT_OPTIONS}


def check_privileges(token: Token, vmid: int, names: Iterable[str]) -> None:
    """ApiError 403 for options that this token may not touch at all."""
    for name in names:
        privileges = next(privileges for pattern, privileges in _PRIVILEGES if pattern.fullmatch(name))
        token.require(f"/vms/{vmid}", *privileges)


def is_cloud_init(name: str) -> bool:
    """Whether an option goes into the cloud-init drive."""
    return _PRIVILEGES[0][0].fullmatch(name) is not None


def check_rights(node: Node, token: Token, vmid: int, options: Mapping[str, Value]) -> None:
    """ApiError for options that this token may not set to these values."""
    for name in _ROOT_ONLY:
        if name in options:
            raise failed(f"only root can set '{name}' config")
    for name, value in options.items():
        if is_drive(name):
            _check_drive(node, token, name, str(value))
        elif _NET.fullmatch(name):
            bridge = parse_option(name, str(value)).get("bridge")
            if bridge is not None:
                token.require(f"/sdn/zones/{BRIDGE_ZONE}/{bridge}", "SDN.Use")
        elif _HOST_PCI.fullmatch(name):
            _check_device(token, name, str(value))
    check_privileges(token, vmid, options)
    if "sshkeys" in options:
        check_ssh_keys(str(options["sshkeys"]))


def _check_drive(node: Node, token: Token, slot: str, text: str) -> None:
    source = parse_source(text)
    if source == "none":
        return
    if source == "cdrom":
        raise failed(f"only root can set '{slot}' config")
    storage = node.storages.get(source.partition(":")[0])
    if makes_volume(text):
        token.require(f"/storage/{storage.name}", "Datastore.AllocateSpace")
        image = parse_option(slot, text).get("import-from")
        if image is not None:
            origin = node.storages.volume(str(image)).storage
            token.require(f"/storage/{origin.name}", "Datastore.Audit", "Datastore.AllocateSpace")
    else:
        token.require(f"/storage/{storage.name}", "Datastore.Audit", "Datastore.AllocateSpace")


def _check_device(token: Token, slot: str, text: str) -> None:
    parts = parse_option(slot, text)
    if "mapping" not in parts:
        raise failed(f"only root can set '{slot}' config for non-mapped devices")
    token.require(f"/mapping/pci/{parts['mapping']}", "Mapping.Use")


def check_ssh_keys(encoded: str) -> None:
    """ApiError unless every line of the percent-encoded text is an OpenSSH public key."""
    for line in unquote(encoded).split("\n"):
        if line.strip() and not _is_ssh_key(line):
            raise failed("SSH public key validation error")


def _is_ssh_key(line: str) -> bool:
    words = line.split()
    for kind, text in pairwise(words):
        try:
            blob = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        name = kind.encode()
        if len(name) > 3 and blob.startswith(len(name).to_bytes(4, "big") + name) and len(blob) > len(name) + 4:
            return True
    return False


def fill_in_mac(name: str, text: str) -> str:
    """A card's option with a MAC address, in the stored form."""
    parts = parse_option(name, text)
    if "macaddr" not in parts:
        tail = secrets.token_bytes(3)
        parts["macaddr"] = f"{_MAC_PREFIX}:{tail[0]:02X}:{tail[1]:02X}:{tail[2]:02X}"
    return render_option(name, parts)


def is_card(name: str) -> bool:
    """Whether an option is a network card."""
    return _NET.fullmatch(name) is not None


def hash_password(password: str) -> str:
    """A Linux password as it is stored by an update: a crypt hash as it is, anything else hashed with SHA-256."""
    if _CRYPT_HASH.match(password):
        return password
    return str(sha256_crypt.using(rounds=5000, salt_size=8).hash(password))


def is_windows(config: Mapping[str, Value]) -> bool:
    """Whether the guest's system takes its password in clear."""
    return str(config.get("ostype", "")).startswith("w")
