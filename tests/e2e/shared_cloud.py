"""One `up` with real guests for the whole run: started by the first who needs it, ended when all tests are."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.local_cloud import (
    STOP_SECONDS,
    LocalCloud,
    command_of,
    credentials_since,
    eventually,
    opened,
    operate,
    processes_of,
    somebody_s_environment,
)
from pvelocal.qemu.netns.space import Space

# Boots in two thirds of the time that the smallest of the contract's types takes where several boot at once.
SMALL = "test_small"
SMALL_DISK_GB = 10
# Its like, with a bigger disk.
ROOMY = "test_roomy"
ROOMY_DISK_GB = 60

# Who ends it is not who started it: a shell of its own keeps how it ended.
KEEP_STATUS = """trap : INT; "$@"; echo $? >"$0" """
APART = """setsid sh -c "$0" "$@" >>"$LOG" 2>&1 </dev/null & echo $!"""


@contextmanager
def shared_cloud(folder: Path) -> Iterator[LocalCloud]:
    """The cloud of a run, whose processes meet in a folder."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "group").exists():
            _start(folder)
    with opened(folder / "data") as cloud:
        yield cloud


def _start(folder: Path) -> None:
    data = folder / "data"
    (folder / "network").write_text(host_network())
    status, log = folder / "status", data.with_name("data.up.log")
    # Several tests look as often as they like, with one key.
    settings = {
        "BLUELOBSTER_RATE_BURST": "100000",
        "BLUELOBSTER_ISO_ALLOWED_NETWORKS": "127.0.0.1/32",
        "BLUELOBSTER_CHARGE_SECONDS": "3",
        "BLUELOBSTER_ENFORCE_SECONDS": "2",
        "LOG": str(log),
    }
    started = time.time_ns()
    shell = subprocess.run(
        ["sh", "-c", APART, KEEP_STATUS, str(status), *command_of(data, "qemu")],
        check=True,
        stdout=subprocess.PIPE,
        env={**somebody_s_environment(), **settings},
    )
    (folder / "group").write_bytes(shell.stdout)
    credentials_since(data, started, lambda: not status.exists())
    for name, disk_gb in ((SMALL, SMALL_DISK_GB), (ROOMY, ROOMY_DISK_GB)):
        operate(data, "type", "add", name, "--description", "What a test needs", "--cents", "3", "--vcpus", "1",
                "--memory-gb", "1", "--disk-gb", str(disk_gb))  # fmt: skip


def end_shared_cloud(folder: Path) -> list[str]:
    """End the cloud as Ctrl-C would; what is wrong with what is left, if anything."""
    group = folder / "group"
    if not group.exists():
        return []
    status = folder / "status"
    os.killpg(int(group.read_text()), signal.SIGINT)
    eventually(status.exists, STOP_SECONDS)
    left = {
        "up ended with": int(status.read_text() or 0),
        "processes are left": processes_of(folder / "data"),
        "its network is left": Space(folder / "data" / "node" / "run").exists,
        "the host's network was changed": host_network() != (folder / "network").read_text(),
    }
    return [f"{what}: {value}" for what, value in left.items() if value]


def host_network() -> str:
    """Everything about the host's own network that a node might have changed."""
    commands = (
        "ip -o link",
        "ip -o address",
        "ip route show table all",
        "nft list ruleset",
        "sysctl net.ipv4.ip_forward",
    )
    return "\n".join(_said(each.split()) for each in commands)


def _said(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout
    except FileNotFoundError:
        return ""
