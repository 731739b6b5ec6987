"""An instance that several tests share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from e2e.local_cloud import LocalCloud, Shell
from e2e.shared_cloud import SMALL

CONNECTED, REFUSED, TIMED_OUT = "connected", "refused", "timed out"
PORT, OTHER_PORT = 8080, 8081
SECONDS = 3
PASSWORD = "correct-horse-7"
LINUX = {"template_name": "TINY-LINUX", "username": "captain"}
SCRIPT = """#!/bin/sh
mkdir /srv
echo began >> /srv/log
exit 7
"""
WEB = {"type": "in", "proto": "tcp", "dport": str(PORT), "action": "ACCEPT"}


@dataclass
class Guest:
    """An instance, with a way in."""

    cloud: LocalCloud
    id: str
    address: str
    internal: str
    shell: Shell

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/instances/{self.id}"

    @property
    def inner(self) -> str:
        """Its address as guests see it."""
        return self.address.replace("127.", "100.", 1)

    def reach(self, other: "Guest", port: int = PORT) -> str:
        """What becomes of a TCP connection from here to a port of another guest."""
        done = self.shell.attempt(f"nc -w {SECONDS} {other.inner} {port} </dev/null 2>&1 | head -c 200")
        assert done.returncode == 0, done.stderr
        if "refused" in done.stdout:
            return REFUSED
        return TIMED_OUT if "timed out" in done.stdout else CONNECTED

    def wall(self, method: str, path: str = "", json: object = None) -> Any:
        """A call about its firewall."""
        answer = self.cloud.api.request(method, f"{self.path}/firewall{path}", json=json)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def add(self, **rule: Any) -> None:
        self.wall("POST", "/rules", {**WEB, **rule})

    def open_again(self) -> None:
        """As it was in the beginning."""
        for _ in self.wall("GET")["rules"]:
            self.wall("DELETE", "/rules/0")
        self.wall("PUT", json={"enable": True, "policy_in": "ACCEPT", "policy_out": "ACCEPT"})


def launched(cloud: LocalCloud, answer: httpx.Response, key: Path) -> Guest:
    """The guest of a launch that was asked for, when it is there."""
    cloud.completed(answer)
    shown = cloud.api.get(f"/instances/{answer.json()['vm_uuid']}").json()
    shell = Shell(key, "captain", shown["ip_address"], shown["ssh_port"], lasting=True)
    return Guest(cloud, shown["uuid"], shown["ip_address"], shown["internal_ip"], shell)


def ask_for_one(cloud: LocalCloud, **more: Any) -> httpx.Response:
    launch = {"region": "us-east-1", "instance_type": SMALL, **LINUX, **more}
    return cloud.api.post("/instances/launch-instance", json=launch)


def ask_for_exactly(cloud: LocalCloud, **more: Any) -> httpx.Response:
    """As staff may."""
    size = {"cores": 1, "memory": 8, "disk_size": 40, "gpu_count": 0}
    launch = {"host": "px1", "instance_type": SMALL, **size, **LINUX, **more}
    return cloud.api.post("/instances/launch-custom", json=launch)
