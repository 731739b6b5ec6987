"""Replays what a real Proxmox VE 9.2 answered, and compares with what the node answers.

Compared are status, reason phrase, error texts, keys, types, and every value that does not depend on time or chance.
An exchange comes with the two that ask for the status and the log of the task it started: they are one unit.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from pvelocal.access import VM_ADMINISTRATION, Token
from pvelocal.node import NodeSettings
from pvelocal.running import RunningNode, running_node
from pvelocal.simulated import Behaviour, SimulatedHypervisor
from pvelocal.storage import Storage

RECORDED = Path(__file__).parent / "recorded"
SECRET = "11111111-1111-4111-8111-111111111111"

_DOWNLOAD = "the control plane fetches files itself and uploads them"
_CLONE = "machines are made by import-from; the node does not clone"
_SNAPSHOT = "nothing asks for snapshots"
_MOMENT = "what is seen while a backup runs depends on the moment"
_WHOLE_NOTES = "a backup server lists all of the notes, a directory their first line"
_FIREWALL_LOG = "nothing asks for the firewall's log and references"

UNSUPPORTED: dict[str, dict[str, str]] = {
    "auth.json": {},
    "backup.json": {
        "while the backup runs: status": _MOMENT,
        "while the backup runs: set config": _MOMENT,
        "notes in the list": _WHOLE_NOTES,
    },
    "cluster.json": {
        "pci devices": "the node offers its GPU stand-ins, not the devices of the machine it runs on",
    },
    "lifecycle.json": {
        "rrd data": "the control plane keeps its own samples",
        "locked: clone": _CLONE,
    },
    "cloudinit.json": {
        **dict.fromkeys(("clone with a description", "config of the clone", "delete 171"), _CLONE),
    },
    "firewall.json": dict.fromkeys(("log", "refs"), _FIREWALL_LOG),
    "identity.json": {"smbios of the list": "the real node's list of resources lags behind by some seconds"},
    "iso.json": dict.fromkeys(
        (
            "url metadata", "url metadata: refused", "url: bad scheme", "download", "download again: the file exists",
            "wrong extension", "wrong checksum",
        ),
        _DOWNLOAD,
    ),
    "clone.json": {
        **dict.fromkeys(
            (
                "snapshot", "snapshots", "make a template while it has snapshots", "rollback", "delete snapshot",
                "delete a missing snapshot",
            ),
            _SNAPSHOT,
        ),
        **dict.fromkeys(
            (
                "make it a template", "config of the template", "start a template",
                "linked clone (the default for a template)", "config of the linked clone", "full clone",
                "config of the full clone", "clone onto a taken id", "clone a missing vm",
                "clone with a storage but not full", "clone to an unknown node", "full clone to an unknown storage",
                "delete a template that has linked clones", "delete the linked clone", "delete the full clone",
                "delete the template",
            ),
            _CLONE,
        ),
    },
}  # fmt: skip
"""Exchanges that are deliberately left out, by recording and title, with the reason."""

_TASK_PARTS = (": task status", ": task log")
_VOLATILE = {
    "starttime", "endtime", "ctime", "pid", "pstart", "mem", "memhost", "cpu", "uptime", "netin", "netout", "diskread",
    "diskwrite", "freemem", "free_mem", "total_mem", "minor_page_faults", "last_update", "idle_time_ns", "wr_bytes",
    "rd_bytes", "rd_operations", "rd_total_time_ns", "rx-bytes", "tx-bytes", "rx-packets", "tx-packets", "host-name",
    "kernel-release", "kernel-version", "ip-address", "ssl_fingerprint", "cert", "password", "port", "ticket",
}  # fmt: skip
"""Values that depend on time or chance, by key."""

_MACHINE = {
    "disk", "maxdisk", "maxmem", "maxcpu", "used", "avail", "free", "total", "available", "loadavg", "flags", "model",
    "vendor", "mhz", "hvm", "family", "kversion", "release", "version", "machine", "cores", "cpus", "used_fraction",
    "ip", "idle",
}  # fmt: skip
_ABOUT_MACHINE = {"nodes", "node status", "cluster status", "cluster resources", "node storages", "storage status"}
"""Values that depend on the machine, in the exchanges about it."""

_STORED = {"format", "path", "size", "used"}
"""Values that depend on the kind of storage, in the exchanges about backups in it."""

_VAULT = "vault"
"""The storage for backups. Those that were recorded went to a directory; what the node has is a backup server."""

_ARCHIVE = re.compile(r"vzdump-qemu-(\d+)-(\d+)_(\d\d)_(\d\d)-(\d\d)_(\d\d)_(\d\d)\.vma\.zst")
_SNAPSHOT_NAME = re.compile(r"vm/\d+/[\dT:-]+Z")
_ABOUT_MEDIUM = re.compile(
    r"INFO: (creating (vzdump|Proxmox Backup Server) archive|starting kvm|starting backup via QMP|stopping kvm|"
    r"archive file size|backup is sparse|backup was done incrementally|transferred|using fast|.*dirty-bitmap| *\d+%)|"
    r"generating cloud-init ISO|trying to acquire lock| OK$|restore (vma|proxmox|image)|CFG:|DEV:|CTIME:|map 'drive-|"
    r"progress |connecting to repository|starting to restore|disk image "
)
"""Lines of logs that depend on where and how backups are kept."""

_NORMALISED = (
    (re.compile(r"UPID:[^\s'\"]+"), "UPID"),
    (re.compile(r"(?i)\bBC:24:11(:[0-9A-F]{2}){3}"), "MAC"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "DIGEST"),
    (re.compile(r"ctime=\d+"), "ctime=N"),
    (re.compile(r"\$5\$[^\s]+"), "HASH"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "MOMENT"),
    (re.compile(r"\(\d\d:\d\d:\d\d\)"), "(DURATION)"),
    (re.compile(r"command '.*' failed: "), ""),
    (re.compile(rf"\b{_VAULT}\b"), "store"),
    (re.compile(r"pbs-vm"), "vma.zst"),
)


@dataclass
class Exchange:
    title: str
    method: str
    path: str
    parameters: dict[str, Any]
    status: int
    reason: str
    body: Any


@dataclass
class Unit:
    title: str
    exchanges: list[Exchange] = field(default_factory=list)


@dataclass
class Replay:
    """A recording being replayed. `upids` leads from the recorded UPIDs to those of the node, `backups` from the
    recorded names of backups."""

    running: RunningNode
    http: httpx.AsyncClient
    store: Path
    upids: dict[str, str] = field(default_factory=dict)
    backups: dict[str, str] = field(default_factory=dict)
    depends: set[str] = field(default_factory=set)

    async def play(self, exchange: Exchange) -> list[str]:
        """Send a recorded request and tell what is different about the answer."""
        path = self.own_path(exchange)
        self.depends = _MACHINE if exchange.title in _ABOUT_MACHINE else set()
        self.depends |= _STORED if f"/storage/{_VAULT}/content" in path else set()
        for recorded, own in self.upids.items():
            path = path.replace(recorded, own)
            if path.endswith(f"{own}/status"):
                await self.running.node.tasks.wait(own)
        place = "params" if exchange.method in ("GET", "DELETE") else "data"
        headers = {"Authorization": authorization(self.running, exchange.title)}
        response = await self.http.request(
            exchange.method, path, **{place: self.own_parameters(exchange)}, headers=headers  # type: ignore[arg-type]
        )  # fmt: skip
        body: Any = response.json() if response.content else ""
        recorded_data = exchange.body["data"] if isinstance(exchange.body, dict) else None
        if isinstance(recorded_data, str) and recorded_data.startswith("UPID:") and response.status_code == 200:
            self.upids[recorded_data] = body["data"]
        differences = []
        reasons = self.normal(exchange.reason), self.normal(response.reason_phrase)
        if exchange.status != response.status_code or reasons[0] != reasons[1]:
            found = f"{response.status_code} {response.reason_phrase}"
            differences.append(f"answers {found!r}, not '{exchange.status} {exchange.reason}'")
        elif exchange.title.endswith(": task log"):
            differences += self.compare_logs(exchange.body, body)
        else:
            differences += self.compare(exchange.body, body, "body")
        return [f"{exchange.title}: {difference}" for difference in differences]

    def own_path(self, exchange: Exchange) -> str:
        """A path with what it names in our words: backups are in a storage of their own."""
        path = exchange.path
        if _ARCHIVE.search(path) or (path.endswith("/content") and exchange.parameters.get("content") == "backup"):
            path = path.replace("/storage/store/", f"/storage/{_VAULT}/")
        return self.own_backup(path, lambda name: quote(name, safe=""))

    def own_parameters(self, exchange: Exchange) -> dict[str, Any]:
        """Parameters in our words."""
        parameters = {
            name: self.own_backup(value, str) if isinstance(value, str) else value
            for name, value in exchange.parameters.items()
        }
        if exchange.path.endswith("/vzdump") and parameters.get("storage") == "store":
            parameters["storage"] = _VAULT
        return parameters

    def own_backup(self, text: str, quoted: Callable[[str], str]) -> str:
        """A text that names a recorded backup, or one that never was, with our name of it."""
        match = _ARCHIVE.search(text)
        if match is None:
            return text
        vmid, year, month, day, hour, minute, second = match.groups()
        never = f"vm/{vmid}/{year}-{month}-{day}T{hour}:{minute}:{second}Z"
        name = self.backups.get(match[0], never)
        self.backups.setdefault(match[0], name)
        return re.sub(r"store(:|%3A)backup(/|%2F)[^/]+$", quoted(f"{_VAULT}:backup/{name}"), text)

    def compare_logs(self, recorded: Any, own: Any) -> list[str]:
        """Logs line by line, but for the progress of copies, which depends on the speed."""
        self.learn_names(recorded, own)
        complete = len(recorded["data"]) == recorded["total"]
        expected, found = self.lines(recorded), self.lines(own)
        return self.compare(expected, found if complete else found[: len(expected)], "log")

    def learn_names(self, recorded: Any, own: Any) -> None:
        """Which of our backups is which of theirs, where a log tells of one being made."""
        theirs, ours = ("\n".join(line["t"] for line in body["data"]) for body in (recorded, own))
        archive, name = _ARCHIVE.search(theirs), _SNAPSHOT_NAME.search(ours)
        if "INFO: creating" in theirs and archive and name:
            self.backups[archive[0]] = name[0]

    @staticmethod
    def lines(body: Any) -> list[str]:
        lines = [line["t"] for line in body["data"] if not line["t"].startswith("transferred ")]
        return [line for line in lines if not _ABOUT_MEDIUM.match(line)]

    def compare(self, recorded: Any, own: Any, where: str) -> list[str]:
        """The differences between two JSON documents."""
        kind, own_kind = kind_of(recorded), kind_of(own)
        if kind != own_kind:
            return [f"{where} is {own!r}, not {recorded!r}"]
        if isinstance(recorded, dict):
            if recorded.keys() != own.keys():
                missing, extra = sorted(recorded.keys() - own.keys()), sorted(own.keys() - recorded.keys())
                return [f"{where} lacks {missing} and has {extra} too much"]
            parts = [self.compare(recorded[key], own[key], f"{where}.{key}") for key in recorded]
            return [item for part in parts for item in part]
        if isinstance(recorded, list):
            if len(recorded) != len(own):
                return [f"{where} has {len(own)} items, not {len(recorded)}: {own}"]
            pairs = zip(sorted(recorded, key=order), sorted(own, key=order), strict=True)
            parts = [self.compare(item, own_item, f"{where}[{at}]") for at, (item, own_item) in enumerate(pairs)]
            return [item for part in parts for item in part]
        names = set(re.split(r"[.\[\]]+", where))
        if names & (_VOLATILE | self.depends) or self.normal(recorded) == self.normal(own):
            return []
        return [f"{where} is {own!r}, not {recorded!r}"]

    def normal(self, value: Any) -> Any:
        """A value without what time, chance and place make of it."""
        if not isinstance(value, str):
            return value
        text = value.replace(str(self.store), "/mnt/store").replace(str(self.store.parent / "local"), "/var/lib/vz")
        for recorded, own in self.backups.items():
            text = text.replace(own, recorded)
        for pattern, name in _NORMALISED:
            text = pattern.sub(name, text)
        if "backup job: vzdump" in text:
            return sorted(text.split(" --"))
        return ",".join(sorted(text.split(","))) if "," in text and " " not in text else text


def kind_of(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


def order(item: Any) -> str:
    if isinstance(item, dict):
        return next((str(item[key]) for key in ("key", "id", "volid", "storage", "vmid", "name") if key in item), "")
    return str(item)


def load(name: str) -> list[Unit]:
    units: dict[str, Unit] = {}
    for exchange in json.loads((RECORDED / name).read_bytes())["exchanges"]:
        request, response = exchange["request"], exchange["response"]
        title = exchange["title"]
        base = next((title.removesuffix(part) for part in _TASK_PARTS if title.endswith(part)), title)
        units.setdefault(base, Unit(base)).exchanges.append(
            Exchange(
                title, request["method"], request["path"], request["params"], response["status"], response["reason"],
                response["body"],
            )
        )  # fmt: skip
    return list(units.values())


NOBODY = Token("nobody@pve", "t", SECRET)
TOKEN_ONLY = Token("nobody@pve", "only", SECRET, separated={"/vms": VM_ADMINISTRATION})
VM_ADMIN = Token("admin@pve", "t", SECRET, {"/vms": VM_ADMINISTRATION}, {"/vms": VM_ADMINISTRATION})
ROOT = Token("root@pam", "t1", SECRET)


def authorization(running: RunningNode, title: str) -> str:
    """The credentials that an exchange was recorded with."""
    if title.startswith("no credentials"):
        return ""
    if title == "token with a wrong secret":
        return f"{ROOT.header[:-1]}2"
    if title == "malformed token":
        return "PVEAPIToken=nonsense"
    if title.startswith("token without any permission"):
        return NOBODY.header
    if title.startswith("acl on the token alone"):
        return TOKEN_ONLY.header
    if title.startswith(("acl on user and token", "PVEVMAdmin", "permissions of the token", "login ticket")):
        return VM_ADMIN.header
    assert running.node.name == "pve1"
    return ROOT.header


# What the real server went through between two exchanges, by recording and title of the second.

Step = Callable[[Replay], Awaitable[None]]


def _guest(replay: Replay) -> Behaviour:
    hypervisor = replay.running.hypervisor
    assert isinstance(hypervisor, SimulatedHypervisor)
    return hypervisor.behaviour


async def _still_boots(replay: Replay) -> None:
    _guest(replay).boot_seconds = 3600


async def _has_booted(replay: Replay) -> None:
    _guest(replay).boot_seconds = 0


async def _is_backed_up(replay: Replay) -> None:
    replay.running.node.vms.get(101).config["lock"] = "backup"


async def _backup_ends(replay: Replay) -> None:
    del replay.running.node.vms.get(101).config["lock"]


async def _iso_arrives(replay: Replay) -> None:
    with (replay.store / "template/iso/boot.iso").open("wb") as file:
        file.truncate(21954560)


async def _four_tasks(replay: Replay) -> None:
    for path in ("", "/100/status/start", "/100/status/shutdown"):
        response = await replay.http.post(
            f"/nodes/pve1/qemu{path}", data={} if path else {"vmid": 100}, headers={"Authorization": ROOT.header}
        )
        await replay.running.node.tasks.wait(response.json()["data"])
    response = await replay.http.delete("/nodes/pve1/qemu/100", headers={"Authorization": ROOT.header})
    await replay.running.node.tasks.wait(response.json()["data"])


BETWEEN: dict[str, dict[str, Step]] = {
    "cluster.json": {"version": _four_tasks},
    "lifecycle.json": {
        "start": _still_boots,
        "agent: ping": _has_booted,
        "reset": _still_boots,
        "reboot": _has_booted,
        "locked: set config": _is_backed_up,
        "delete": _backup_ends,
    },
    "identity.json": {"start": _still_boots},
    "iso.json": {"content": _iso_arrives},
}


@asynccontextmanager
async def replaying(data: Path, *, with_backups: bool) -> AsyncIterator[Replay]:
    storages = (
        Storage(
            "local",
            data / "local",
            ("vztmpl", "backup", "iso", "snippets", "rootdir", "images"),
            prune_backups="keep-all=1",
        ),
        Storage("store", data / "store", ("import", "images", "iso", "snippets", "backup", "vztmpl")),
    )
    vault = _VAULT if with_backups else None
    settings = NodeSettings(data=data, name="pve1", storages=storages, firewall=False, backup_storage=vault)
    hypervisor = SimulatedHypervisor(data / "run", behaviour=Behaviour(boot_seconds=0, shutdown_seconds=0))
    image = data / "store/import/tiny.qcow2"
    image.parent.mkdir(parents=True)
    with image.open("wb") as file:
        file.write(b"QFI\xfb\0\0\0\3" + bytes(16) + (64 << 20).to_bytes(8, "big"))
        file.truncate(21954560)
    async with (
        running_node(settings, hypervisor, tokens=[ROOT, NOBODY, TOKEN_ONLY, VM_ADMIN]) as running,
        httpx.AsyncClient(base_url=f"{running.url}/api2/json", verify=False) as http,  # noqa: S501
    ):
        yield Replay(running, http, data / "store")


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
async def test_recording(tmp_path: Path, name: str) -> None:
    failures: list[str] = []
    left_out = dict(UNSUPPORTED[name])
    async with replaying(tmp_path, with_backups=name in ("backup.json", "identity.json")) as replay:
        for unit in load(name):
            if unit.title in BETWEEN.get(name, {}):
                await BETWEEN[name][unit.title](replay)
            differences: list[str] = []
            for exchange in unit.exchanges:
                if "timeout" in exchange.parameters and _guest(replay).boot_seconds:
                    exchange.parameters["timeout"] = 0
                differences += await replay.play(exchange)
                if differences:
                    break
            if unit.title not in left_out:
                failures += differences
            elif not differences:
                failures.append(f"{unit.title}: is listed as unsupported but matches")
            left_out.pop(unit.title, None)
    failures += [f"{title}: is listed as unsupported but was not recorded" for title in left_out]
    assert not failures, "\n".join(["", *failures])
