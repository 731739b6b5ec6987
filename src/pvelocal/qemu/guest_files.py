"""Where the files of a guest lie, apart from its disks."""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pvelocal.hypervisor import GuestSpec, HypervisorError, Nic
from pvelocal.qemu.lan import LONGEST_NAME

# A unix socket's address holds 107 bytes; VMIDs have at most nine digits.
_SOCKET_PATH_LIMIT = 107
_LONGEST_SOCKET_NAME = max(len("/999999999.serial"), LONGEST_NAME)


@dataclass(frozen=True)
class GuestFiles:
    """The files of one guest: `directory` for what lasts, `sockets` for what a running QEMU listens on."""

    directory: Path
    sockets: Path

    @property
    def vmid(self) -> int:
        """The guest's number."""
        return int(self.directory.name)

    @property
    def pid_file(self) -> Path:
        """Written and locked by QEMU."""
        return self.directory / "pid"

    @property
    def seed(self) -> Path:
        """The cloud-init drive."""
        return self.directory / "cidata.iso"

    @property
    def firmware_variables(self) -> Path:
        """The UEFI variables of a guest with OVMF."""
        return self.directory / "ovmf-vars.fd"

    @property
    def record(self) -> Path:
        """What the running guest was started from, for a node that finds it again."""
        return self.directory / "guest.json"

    @property
    def frozen(self) -> Path:
        """Is there while the guest's file systems may be frozen."""
        return self.directory / "frozen"

    def snapshot(self, slot: str) -> Path:
        """What a disk held at one moment, while it is being backed up."""
        return self.directory / f"snapshot-{slot}"

    def snapshots(self) -> Iterator[Path]:
        """All that are there."""
        return self.directory.glob("snapshot-*")

    @property
    def monitor(self) -> Path:
        """QMP, for the hypervisor itself."""
        return self._socket("qmp")

    @property
    def second_monitor(self) -> Path:
        """QMP, for a second client: a socket serves one at a time."""
        return self._socket("qmp2")

    @property
    def agent(self) -> Path:
        """The guest agent's channel."""
        return self._socket("qga")

    @property
    def display(self) -> Path:
        """VNC."""
        return self._socket("vnc")

    def _socket(self, suffix: str) -> Path:
        return self.sockets / f"{self.vmid}.{suffix}"

    def make(self) -> None:
        """Make the private directory that holds them."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove all of it."""
        for path in (self.monitor, self.second_monitor, self.agent, self.display):
            path.unlink(missing_ok=True)
        if self.directory.exists():
            shutil.rmtree(self.directory)


@dataclass(frozen=True)
class GuestRecord:
    """What must be known of a running guest that was found again: to read its counters, to connect its cards."""

    cores: int
    memory_mb: int
    nics: tuple[Nic, ...]
    agent: bool

    @property
    def macs(self) -> frozenset[str]:
        """The addresses of its cards, in lower case."""
        return frozenset(nic.mac.lower() for nic in self.nics)

    @classmethod
    def of(cls, spec: GuestSpec) -> "GuestRecord":
        """The record of a guest that is about to start."""
        return cls(spec.cores, spec.memory_mb, spec.nics, spec.agent)

    @classmethod
    def read(cls, files: GuestFiles) -> "GuestRecord | None":
        """The record of a guest that was started, or None."""
        try:
            values = json.loads(files.record.read_text())
        except (OSError, ValueError):
            return None
        nics = tuple(Nic(**nic) for nic in values["nics"])
        return cls(values["cores"], values["memory_mb"], nics, values["agent"])

    def write(self, files: GuestFiles) -> None:
        """Keep it, all or nothing."""
        partial = files.record.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(files.record)


class GuestDirectory:
    """The directory of all guests.

    Sockets lie in it, too, unless its path is too long for them: then in a short private directory that a link
    called `run` points to, so that every later node finds the same one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def open(self) -> None:
        """Make the directories; HypervisorError when somebody else's lie there."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        run = self._root / "run"
        if run.is_symlink() and not run.exists():
            # Cleaned away since, for instance by a restart of the machine.
            run.unlink()
        if run.exists():
            return
        if len(os.fsencode(run)) + _LONGEST_SOCKET_NAME <= _SOCKET_PATH_LIMIT:
            run.mkdir(mode=0o700)
        else:
            run.symlink_to(_short_directory(self._root), target_is_directory=True)

    def guest(self, vmid: int) -> GuestFiles:
        """The files of one guest, whether it exists or not."""
        return GuestFiles(self._root / str(vmid), (self._root / "run").resolve())

    def guests(self) -> Iterator[GuestFiles]:
        """All guests that have files."""
        for entry in sorted(self._root.iterdir()):
            if entry.name.isdigit():
                yield self.guest(int(entry.name))


def _short_directory(root: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    home = os.environ.get("XDG_RUNTIME_DIR") or ("/run" if os.geteuid() == 0 else tempfile.gettempdir())
    directory = Path(home) / f"pvelocal-{digest}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise HypervisorError(f"{directory} belongs to somebody else or is open to others")
    return directory
