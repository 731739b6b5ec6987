"""`./bluelobster up` as an operator starts it, with real guests, and what a customer does with it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg

T = TypeVar("T")
START_SECONDS = 240.0
STOP_SECONDS = 90.0
TASK_SECONDS = 180.0


@dataclass
class LocalCloud:
    """A running `up`: its data, its API as the demo customer, and its database."""

    data: Path
    process: subprocess.Popen[bytes]
    api: httpx.Client
    dsn: str

    def completed(self, answer: httpx.Response) -> dict[str, Any]:
        """The task of an answer, once it is complete."""
        assert answer.status_code == 200, answer.text

        def look() -> dict[str, Any] | None:
            task: dict[str, Any] = self.api.get(f"/tasks/{answer.json()['task_id']}").json()
            assert task["status"] != "FAILED", (task, self.log("worker"), self.log("node"))
            return task if task["status"] == "COMPLETED" else None

        return eventually(look, TASK_SECONDS)

    def log(self, name: str) -> str:
        return (self.data / "logs" / f"{name}.log").read_text()[-4000:]

    def one(self, query: str, *parameters: Any) -> Any:
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute(query, parameters).fetchone()
        return row[0] if row else None

    def machines(self) -> list[int]:
        """Processes of QEMU that belong to this cloud."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"qemu-system" in words[0] and any(str(self.data).encode() in word for word in words):
                found.append(int(entry.parent.name))
        return found

    def disks(self) -> list[Path]:
        return [path for path in (self.data / "node" / "images").glob("**/*") if path.is_file()]

    def leftovers(self) -> dict[str, Any]:
        return {
            "processes": self.machines(),
            "disks": self.disks(),
            "instances": self.one("select count(*) from instances where ended_at is null"),
            "addresses": self.one("select count(*) from addresses where instance_id is not null"),
            "gpus": self.one("select count(*) from gpus where instance_id is not null"),
            "host": self.one("select sum(vcpus_used + memory_gb_used + disk_gb_used)::int from hosts"),
            "tasks": self.one("select count(*) from tasks where ended_at is null"),
        }


NOTHING: dict[str, Any] = {
    "processes": [],
    "disks": [],
    "instances": 0,
    "addresses": 0,
    "gpus": 0,
    "host": 0,
    "tasks": 0,
}


@dataclass
class Shell:
    """A way into a guest."""

    key: Path
    user: str
    address: str
    port: int

    def run(self, command: str) -> str:
        """What a command prints in the guest; fails when it does."""
        done = self.attempt(command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def attempt(self, command: str) -> subprocess.CompletedProcess[str]:
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
        options += ["-o", "ConnectTimeout=20", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"]
        target = ["-i", str(self.key), "-p", str(self.port), f"{self.user}@{self.address}"]
        return subprocess.run(
            ["ssh", *options, *target, command], capture_output=True, text=True, errors="replace", timeout=90
        )

    def host_key(self) -> str:
        """What the guest's SSH server shows as its identity."""
        command = ["ssh-keyscan", "-T", "20", "-t", "ed25519", "-p", str(self.port), self.address]
        key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        assert key
        return key


def new_key(folder: Path, comment: str = "") -> Path:
    """An SSH key pair of somebody who wants to log in: the path of the private half."""
    path = folder / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True)
    return path


def eventually(look: Callable[[], T | None], seconds: float) -> T:
    """What `look` finds, as soon as it finds something; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.1)


@contextmanager
def up(data: Path, guests: str, *options: str) -> Iterator[LocalCloud]:
    """Run `bluelobster up` until the end of the block, then end it as Ctrl-C would."""
    started = time.time_ns()
    output = data.with_name(f"{data.name}.up.log")
    command = [sys.executable, "-P", "-m", "bluelobster", "up", "--data", str(data), "--port", "0", "--guests", guests]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BLUELOBSTER_TEST")}
    with output.open("ab") as file:
        process = subprocess.Popen([*command, *options], stdout=file, stderr=file, env=environment)

    def credentials() -> dict[str, Any] | None:
        assert process.poll() is None, output.read_text()
        path = data / "credentials.json"
        if not path.exists() or path.stat().st_mtime_ns < started:
            return None
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    try:
        found = eventually(credentials, START_SECONDS)
        key = next(each["api_key"] for each in found["accounts"] if each["role"] == "customer")
        dsn = json.loads((data / "operator.json").read_text())["database_url"]
        with httpx.Client(base_url=f"{found['api_url']}/api/v1", headers={"X-API-Key": key}, timeout=40) as api:
            yield LocalCloud(data, process, api, dsn)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0, output.read_text()
