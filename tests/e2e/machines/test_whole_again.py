"""Backups of real machines, seen from inside: what was there comes back, here and on a bigger machine."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.local_cloud import LocalCloud, Shell, eventually
from e2e.machines.guest import Guest
from e2e.shared_cloud import ROOMY_DISK_GB, SMALL_DISK_GB

pytestmark = pytest.mark.e2e
PATIENCE = 60.0
MIB = 1 << 20
# A checksum from before its backup is the file's; one line each makes it easy to see in which state a guest is.
WRITE = "dd if=/dev/urandom of={name} bs=1M count={mib} 2>/dev/null; sha256sum {name} > {name}.sum; sync"
CHECK = "sha256sum -c {name}.sum && cat {name}.sum"
# Somebody who goes on writing: each line is whole on disk before the next one is written.
GO_ON = (
    "(i=0; while usleep 50000; do i=$((i+1)); echo $i >> ticks; sync; done) </dev/null >/dev/null 2>&1 & echo $! > pid"
)
KERNEL_COMPLAINTS = "sudo dmesg | grep -Ei 'EXT4-fs.*(error|warning|corrupt)|I/O error' || true"
FIRST_SECTOR = "cat /sys/class/block/$(awk '$2 == \"/\" {print $1}' /proc/mounts | sed 's:/dev/::')/start"


class Machine:
    """A guest with its backups."""

    def __init__(self, guest: Guest) -> None:
        self.cloud, self.id, self.path, self.shell = guest.cloud, guest.id, guest.path, guest.shell

    @property
    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.cloud.api.get(self.path).json()
        return shown

    def backed_up(self) -> dict[str, Any]:
        """Make a backup; its entry in the list."""
        self.cloud.completed(self.cloud.api.post(f"{self.path}/backup"))
        entry: dict[str, Any] = self.cloud.api.get(f"{self.path}/backups").json()["backups"][0]
        return entry

    def restored(self, backup: dict[str, Any]) -> None:
        """Restore one of its own."""
        self._back(self.cloud.api.post(f"{self.path}/restore", json={"backup_volid": backup["volid"]}))

    def became(self, backup: dict[str, Any], **more: str) -> None:
        """Restore any."""
        parameters = {"volid": backup["volid"], "target_vm_uuid": self.id, **more}
        self._back(self.cloud.api.post("/backups/restore", params=parameters))

    def _back(self, answer: Any) -> None:
        self.cloud.completed(answer)
        self.shell.hang_up()
        eventually(self.shell.knocks, PATIENCE)

    def write(self, name: str, mib: int) -> str:
        """A file of noise; its checksum."""
        self.shell.run(WRITE.format(name=name, mib=mib))
        return self.checksum(name)

    def checksum(self, name: str) -> str:
        """What a file's checksum was, and still is."""
        said = self.shell.run(CHECK.format(name=name)).splitlines()
        assert said[0].endswith(": OK")
        return said[1]

    def is_clean(self, folder: Path) -> None:
        """Neither the guest's kernel nor a check of its file system finds anything wrong. The machine is off then."""
        assert self.shell.run(KERNEL_COMPLAINTS) == ""
        start = int(self.shell.run(FIRST_SECTOR)) * 512
        self.shell.hang_up()
        self.cloud.completed(self.cloud.api.post(f"{self.path}/shutdown"))
        (disk,) = (path for path in self.cloud.disks(self.id) if "disk" in path.name)
        raw = folder / "disk.raw"
        subprocess.run(["qemu-img", "convert", "-O", "raw", str(disk), str(raw)], check=True)
        checked = subprocess.run(["e2fsck", "-fn", f"{raw}?offset={start}"], capture_output=True, text=True)
        raw.unlink()
        assert checked.returncode == 0, checked.stdout


def size_gb(shell: Shell) -> float:
    return int(shell.run("df -k / | awk 'END {print $2}'")) / MIB


def test_backups_that_can_be_trusted(cloud: LocalCloud, guests: tuple[Guest, Guest], tmp_path: Path) -> None:
    small, big = (Machine(guest) for guest in guests)
    first_sum = small.write("precious", 3)
    small.shell.run(GO_ON)
    eventually(lambda: small.shell.attempt("test -s ticks").returncode == 0, PATIENCE)
    first = small.backed_up()
    small.shell.run("kill $(cat pid); rm precious; echo changed > precious.sum; sync")

    small.restored(first)
    assert small.checksum("precious") == first_sum
    ticks = small.shell.run("cat ticks").splitlines()
    assert ticks == [str(number) for number in range(1, len(ticks) + 1)]

    small_gb = size_gb(small.shell)
    second_sum = small.write("precious", 2)
    assert second_sum != first_sum
    second = small.backed_up()
    assert 2 * MIB <= second["stored_bytes"] <= 64 * MIB < first["stored_bytes"]
    assert second["size_bytes"] == first["size_bytes"] >= SMALL_DISK_GB << 30

    cloud.completed(cloud.api.delete("/backups", params={"volid": first["volid"]}))
    name = small.shown["name"]
    assert cloud.api.delete(small.path).json()["status"] == "success"
    (left,) = [each for each in cloud.api.get("/backups").json()["backups"] if each["instance_id"] == small.id]
    assert (left["volid"], left["instance_name"], left["instance_deleted"]) == (second["volid"], name, True)
    big.became(second, add_restore_prefix="true")
    assert big.checksum("precious") == second_sum
    assert big.shown["name"].startswith("RESTORE-")
    assert big.shell.run("hostname") == big.shown["name"]
    assert small_gb < SMALL_DISK_GB < 0.9 * ROOMY_DISK_GB < size_gb(big.shell) <= ROOMY_DISK_GB
    cloud.completed(cloud.api.delete("/backups", params={"volid": second["volid"]}))
    assert small.id not in {each["instance_id"] for each in cloud.api.get("/backups").json()["backups"]}
    big.is_clean(tmp_path)
