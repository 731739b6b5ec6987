"""What the log of a backup's task tells."""

import pytest

from bluelobster.backups.progress import said, stored_bytes_in, volid_in
from pve.recordings import recorded

MIB, GIB = 2**20, 2**30
BEGIN = [
    "INFO: starting new backup job: vzdump 201 --storage backup --notes-template 'bluelobster backup'",
    "INFO: Starting Backup of VM 201 (qemu)",
    "INFO: VM Name: web-1",
    "INFO: include disk 'scsi0' 'local:201/vm-201-disk-0.qcow2' 2G",
    "INFO: include disk 'efidisk0' 'local:201/vm-201-disk-1.qcow2' 512K",
    "INFO: creating Proxmox Backup Server archive 'vm/201/2026-11-23T08:00:00Z'",
]


def test_a_log_that_has_not_begun() -> None:
    assert said([]) == ("", 0)
    assert said(BEGIN) == ("", 0)
    assert (volid_in(BEGIN[:5], "backup"), stored_bytes_in(BEGIN)) == (None, None)


def test_how_far_it_is() -> None:
    far = "INFO:  43% (880.0 MiB of 2.0 GiB) in 3s, read: 293.3 MiB/s, write: 280.0 MiB/s"
    assert said([*BEGIN, far]) == ("Backing up: 43% (880.0 MiB of 2.0 GiB)", 43)
    last = "INFO: 100% (2.0 GiB of 2.0 GiB) in 9s, read: 293.3 MiB/s, write: 280.0 MiB/s"
    assert said([*BEGIN, far, last, "INFO: transferred 2.00 GiB in 9 seconds"])[1] == 100
    assert said(["INFO: trying to get global lock - waiting..."]) == ("Waiting for other backups on the host to end", 0)


@pytest.mark.parametrize(
    ("lines", "stored"),
    [
        (["INFO: transferred 84.00 MiB in 3 seconds (28.0 MiB/s)"], 84 * MIB),
        (["INFO: transferred 512.0 B in <1 seconds"], 512),
        (
            [
                "INFO: backup is sparse: 1.50 GiB (75%) total zero data",
                "INFO: backup was done incrementally, reused 1.50 GiB (75%)",
                "INFO: transferred 2.00 GiB in 9 seconds (227.6 MiB/s)",
            ],
            GIB // 2 + 512 * 1024,
        ),
        (
            [
                "INFO: backup was done incrementally, reused 1.92 GiB (96%)",
                "INFO: transferred 64.00 MiB in 3 seconds (21.3 MiB/s)",
            ],
            64 * MIB,
        ),
        (["INFO: backup was done incrementally, reused 2.00 GiB (100%)"], 0),
        (
            [
                "INFO: backup was done incrementally, reused 2.01 GiB (100%)",
                "INFO: transferred 4.00 MiB in <1 seconds",
            ],
            0,
        ),
    ],
)
def test_what_was_new_in_it(lines: list[str], stored: int) -> None:
    assert stored_bytes_in([*BEGIN, *lines]) == stored


def test_under_which_name_it_is_stored() -> None:
    assert volid_in(BEGIN, "pbs") == "pbs:backup/vm/201/2026-11-23T08:00:00Z"
    log = [line["t"] for line in recorded("backup", "live backup: task log").data]
    assert volid_in(log, "store") == "store:backup/vzdump-qemu-130-2026_11_23-10_35_10.vma.zst"
    assert stored_bytes_in(log) == 64 * MIB
    assert said(log) == ("Backing up: 100% (64.0 MiB of 64.0 MiB)", 100)
