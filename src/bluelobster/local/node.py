"""The local node: how it is started, and what it says of itself."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bluelobster.demonstration import LOCAL_GPUS
from bluelobster.pve import Endpoint

NODE_FILE = "node.json"
NAME = "px1"


@dataclass(frozen=True)
class LocalNode:
    """How the node is reached, the port on which its guests' SSH is found, and its bridge for private networks."""

    endpoint: Endpoint
    name: str
    ssh_port: int
    internal_bridge: str | None


def node_command(folder: Path, guests: str, keep_guests: bool) -> Sequence[str]:
    """The command line of the node's process."""
    command = [sys.executable, "-P", "-m", "pvelocal", "--data", str(folder), "--port", "0", "--node", NAME]
    command += ["--guests", guests, *(["--keep-guests"] if keep_guests else [])]
    for mapping, model in LOCAL_GPUS.items():
        command += ["--gpu", f"{mapping}={model}"]
    return command


def read_node(folder: Path, pid: int) -> LocalNode | None:
    """What the node with this process id wrote about itself, or None before it has."""
    try:
        said = json.loads((folder / NODE_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    if said["pid"] != pid:
        return None
    endpoint = Endpoint(url=said["url"], token=said["token"], fingerprint=said["fingerprint"])
    return LocalNode(endpoint, said["node"], said["ssh_port"], said["internal_bridge"])
