"""`./bluelobster up` as an operator starts it, with real guests, and what a customer does with it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg

T = TypeVar("T")
START_SECONDS = 240.0
STOP_SECONDS = 90.0
TASK_SECONDS = 180.0
LOOK_AGAIN_SECONDS = 0.5


@dataclass
class LocalCloud:
    """A running `up`: its data, its API as the demo customer, and its database."""

    data: Path
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

    def machines(self, instance_id: str) -> list[int]:
        """Processes of QEMU that run an instance."""
        return [pid for pid, words in processes_of(self.data) if any(f"uuid={instance_id}" in word for word in words)]

    def disks(self, instance_id: str) -> list[Path]:
        vmid = self.one("select vmid from instances where id = %s", instance_id)
        return list((self.data / "node" / "images").glob(f"**/*-{vmid}-*"))

    def discs(self, instance_id: str) -> list[Path]:
        """What an instance boots from, or is told by."""
        return list((self.data / "node" / "template" / "iso").glob(f"*{instance_id}*"))

    def left_of(self, *instance_ids: str) -> dict[str, Any]:
        """What there is still of instances that were deleted, and whether the host's books are right."""
        of_these = "= any(%s::uuid[])"
        ids = list(instance_ids)
        return {
            "processes": [pid for each in ids for pid in self.machines(each)],
            "disks": [path for each in ids for path in self.disks(each)],
            "discs": [path for each in ids for path in self.discs(each)],
            "instances": self.one(f"select count(*) from instances where id {of_these} and ended_at is null", ids),
            "addresses": self.one(f"select count(*) from addresses where instance_id {of_these}", ids),
            "gpus": self.one(f"select count(*) from gpus where instance_id {of_these}", ids),
            "tasks": self.one(f"select count(*) from tasks where instance_id {of_these} and ended_at is null", ids),
            "replaced": self.one(f"select count(*) from replaced_machines where instance_id {of_these}", ids),
            "misreckoned": self.one(MISRECKONED),
        }


NOTHING: dict[str, Any] = {
    "processes": [],
    "disks": [],
    "discs": [],
    "instances": 0,
    "addresses": 0,
    "gpus": 0,
    "tasks": 0,
    "replaced": 0,
    "misreckoned": 0,
}
MISRECKONED = """
select count(*) from hosts h where (vcpus_used, memory_gb_used) is distinct from (
  select (coalesce(sum(vcpus), 0)::int, coalesce(sum(memory_gb), 0)::int)
  from instances i where i.host_id = h.id and i.ended_at is null)
"""


def processes_of(data: Path) -> list[tuple[int, list[str]]]:
    """The processes that have a cloud's folder in their command lines, with these."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(data) in word for word in words):
            found.append((int(entry.parent.name), words))
    return found


@dataclass
class Shell:
    """A way into a guest. With `lasting`, one connection serves all commands: a new one costs an emulated guest a
    second or two."""

    key: Path
    user: str
    address: str
    port: int
    lasting: bool = False

    def run(self, command: str) -> str:
        """What a command prints in the guest; fails when it does."""
        done = self.attempt(command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def attempt(self, command: str) -> subprocess.CompletedProcess[str]:
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
        options += ["-o", "ConnectTimeout=20", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"]
        if self.lasting:
            options += ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", self._socket]
        target = ["-i", str(self.key), "-p", str(self.port), f"{self.user}@{self.address}"]
        return subprocess.run(
            ["ssh", *options, *target, command], capture_output=True, text=True, errors="replace", timeout=90
        )

    @property
    def _socket(self) -> str:
        """Short: its path may have 107 bytes, 17 of which `ssh` adds."""
        return f"ControlPath={self.key.parent}/%r@%h"

    def hang_up(self) -> None:
        """Before the guest is restarted: what lasted does not any more."""
        target = ["-p", str(self.port), f"{self.user}@{self.address}"]
        subprocess.run(["ssh", "-o", self._socket, "-O", "exit", *target], capture_output=True)

    def knocks(self) -> bool:
        """Whether the guest lets a new connection in."""
        return replace(self, lasting=False).attempt("true").returncode == 0

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
        time.sleep(LOOK_AGAIN_SECONDS)


AWKWARD = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "PGPORT": "5433",
    "PGSERVICE": "nowhere",
    "PGOPTIONS": "-c statement_timeout=1",
    "PGTZ": "Asia/Tokyo",
    "PYTHONIOENCODING": "ascii",
}


@contextmanager
def up(data: Path, guests: str, *options: str) -> Iterator[LocalCloud]:
    """Run `bluelobster up` until the end of the block, then end it as Ctrl-C would."""
    started = time.time_ns()
    output = data.with_name(f"{data.name}.up.log")
    with output.open("ab") as file:
        process = subprocess.Popen(
            command_of(data, guests, *options), stdout=file, stderr=file, env=somebody_s_environment()
        )
    try:
        credentials_since(data, started, lambda: process.poll() is None)
        with opened(data) as cloud:
            yield cloud
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0, output.read_text()


def command_of(data: Path, guests: str, *options: str) -> list[str]:
    run = [sys.executable, "-P", "-m", "bluelobster", "up"]
    return [*run, "--data", str(data), "--port", "0", "--guests", guests, *options]


def operate(data: Path, *arguments: str) -> str:
    """What a command of the operator says."""
    command = [sys.executable, "-P", "-m", "bluelobster", "admin", "--data", str(data), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=somebody_s_environment()).stdout


def somebody_s_environment() -> dict[str, str]:
    """Of a user who has other databases, a proxy on the way out, and an old terminal; without the tests' settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("BLUELOBSTER_TEST")}
    return own | AWKWARD


def credentials_since(data: Path, started: int, alive: Callable[[], bool]) -> None:
    """Wait until an `up` that was started at a time (in nanoseconds) can be used."""
    path = data / "credentials.json"

    def look() -> bool:
        assert alive(), data.with_name(f"{data.name}.up.log").read_text()
        return path.exists() and path.stat().st_mtime_ns >= started

    eventually(look, START_SECONDS)


@contextmanager
def opened(data: Path, role: str = "customer") -> Iterator[LocalCloud]:
    """A cloud that runs, as one of its accounts."""
    found = json.loads((data / "credentials.json").read_text())
    key = next(each["api_key"] for each in found["accounts"] if each["role"] == role)
    dsn = json.loads((data / "operator.json").read_text())["database_url"]
    with httpx.Client(base_url=f"{found['api_url']}/api/v1", headers={"X-API-Key": key}, timeout=40) as api:
        yield LocalCloud(data, api, dsn)
