"""A region, a host and an image: what most commands need to be there."""

from pathlib import Path

from admin.shell import Shell
from bluelobster.catalog.host_check import PRIVILEGES
from pvelocal.access import Token
from pvelocal.running import RunningNode

FEW_RIGHTS = Token("few@pve", "ci", "6f1c6d8e-0a3c-4b43-9d52-0b1f4a2c7e55", {"/": frozenset({"VM.Audit", "Sys.Audit"})})
NO_REMOVAL = Token("most@pve", "ci", "0b6f4d0e-8c35-4d7e-b3f6-7f4c3a9d2c11", {"/": PRIVILEGES})
REGION = 'region add us-east-1 --description "Wilmington, DE" --city Wilmington --state DE --country US'
QCOW2 = b"QFI\xfb" + bytes(508)
RAW = bytes(510) + b"\x55\xaa"


def secret_of(token: Token) -> str:
    """A token as Proxmox shows it once, when it is made."""
    return f"{token.id}={token.secret}"


def reach(running: RunningNode, /, **changes: str) -> str:
    """The options of `host add` that lead to the node, some of them changed or, with an empty value, left out."""
    options = {
        "region": "us-east-1",
        "address": running.url,
        "fingerprint": running.fingerprint,
        "storage": "local",
        "token": secret_of(running.token),
        **changes,
    }
    return " ".join(f"--{name} {value}" for name, value in options.items() if value)


def add_host(shell: Shell, node: RunningNode) -> str:
    """Add the node as `px1` in a region of its own; what the command says."""
    shell.does(REGION)
    return shell.does(f"host add px1 {reach(node)}")


def image(name: str, content: bytes = QCOW2) -> str:
    """A file in the working directory."""
    Path(name).write_bytes(content)
    return name
