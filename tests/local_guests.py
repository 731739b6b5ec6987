"""Guests to start, and a person who logs in."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvelocal.cloudinit import render_meta_data, render_user_data
from pvelocal.firewall import Firewall, IpSet
from pvelocal.hypervisor import CloudInit, Disk, GuestSpec, Nic

UUID = "7f0cbb1e-5f9c-4a6b-8a4e-2f35a9f4d001"


def nic(address: str | None = "127.64.0.10/24", index: int = 0) -> Nic:
    """A card with a loopback address."""
    gateway = None if address is None else "127.64.0.1"
    return Nic(index, f"BC:24:11:00:00:{index:02X}", "vmbr0", address, gateway)


def guest(vmid: int = 101, **changes: Any) -> GuestSpec:
    """A small guest."""
    values: dict[str, Any] = {
        "vmid": vmid,
        "name": "web-1",
        "uuid": UUID,
        "cores": 1,
        "memory_mb": 256,
        "nics": (nic(),),
        "agent": True,
    }
    return GuestSpec(**(values | changes))


def open_firewall(address: str) -> Firewall:
    """One that lets everything through but a false sender."""
    return Firewall(
        {"enable": 1, "macfilter": 1, "ipfilter": 1, "policy_in": "ACCEPT", "policy_out": "ACCEPT"},
        ip_sets={"ipfilter-net0": IpSet((address,))},
    )


def disk(path: str = "/images/vm-101-disk-0.qcow2", slot: str = "scsi0", boot_index: int | None = 0) -> Disk:
    """A drive to boot from."""
    return Disk(slot, Path(path), boot_index=boot_index)


def cloud_init(name: str, user: str, key: str, **options: str) -> CloudInit:
    """The documents that Proxmox VE would write."""
    user_data = render_user_data(name, {"ciuser": user, "sshkeys": key, "ciupgrade": 0, **options})
    return CloudInit(user_data, render_meta_data(user_data, ""))


def saying_hello(port: int) -> str:
    """For a guest's shell: a server that says hello on a port, which is listening when the command is done."""
    listening = f"grep -q ':{port:04X} [0-9A-F]*:0000 0A' /proc/net/tcp /proc/net/tcp6"
    return f"nc -ll -p {port} -e echo hello >/dev/null 2>&1 & until {listening}; do :; done"


@dataclass(frozen=True)
class Person:
    """Somebody with a key of their own and the system's `ssh`. With `lasting`, one connection serves all commands: a
    new one costs an emulated guest half a second."""

    key: Path
    known_hosts: Path
    lasting: bool = False

    @property
    def public_key(self) -> str:
        """What goes into `authorized_keys`."""
        return self.key.with_suffix(".pub").read_text().strip()

    async def login(self, user: str, address: str, port: int, command: str, seconds: float = 60) -> str:
        """What a command prints inside; waits until the guest lets us in, AssertionError when it never does."""
        async with asyncio.timeout(seconds):
            while True:
                done, answer = await self._try(f"{user}@{address}", port, command)
                if done:
                    return answer.strip()
                assert "Permission denied" not in answer, answer

    async def _try(self, target: str, port: int, command: str) -> tuple[bool, str]:
        options = ["BatchMode=yes", "ConnectTimeout=3", "StrictHostKeyChecking=accept-new", "LogLevel=ERROR"]
        if self.lasting:
            # A socket's path is 107 bytes at most, 17 of which `ssh` adds.
            options += ["ControlMaster=auto", "ControlPersist=60", f"ControlPath={self.key.parent}/%h"]
        words = [word for option in options for word in ("-o", option)]
        process = await asyncio.create_subprocess_exec(
            *("ssh", "-i", str(self.key), "-o", f"UserKnownHostsFile={self.known_hosts}", *words),
            *("-p", str(port), target, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        return process.returncode == 0, (output if process.returncode == 0 else errors).decode()
