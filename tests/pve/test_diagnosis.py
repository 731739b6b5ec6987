"""Each failure that was recorded has its class of error."""

import pytest

from bluelobster.pve import diagnosis, errors
from pve.recordings import Exchange, exchanges

# By the start of what the server said, whether at once or as a task's exit status; the longest start decides.
EXPECTED: dict[str, type[errors.PveError]] = {
    "": errors.ServerError,
    "No ticket": errors.Unauthorized,
    "Authentication failed!": errors.Unauthorized,
    "Permission check failed": errors.Forbidden,
    "only root can set": errors.Forbidden,
    "Method 'GET /nosuch' not implemented": errors.NotImplementedByServer,
    "Parameter verification failed.": errors.InvalidParameter,
    "no options specified": errors.InvalidParameter,
    "SSH public key validation error": errors.InvalidParameter,
    "parameter 'storage' not allowed for linked clones": errors.InvalidParameter,
    "Configuration file 'nodes/pve1/qemu-server/": errors.VmNotFound,
    "unable to find configuration file for VM 999": errors.VmNotFound,
    "unable to create VM 101 - VM 101 already exists": errors.VmExists,
    "unable to restore VM 130 - VM 130 already exists": errors.VmExists,
    "unable to create VM 112: config file already exists": errors.VmExists,
    "unable to restore VM 130 - vm is running": errors.VmRunning,
    "VM 101 already running": errors.VmRunning,
    "VM 101 is running - destroy failed": errors.VmRunning,
    "VM 101 not running": errors.VmNotRunning,
    "VM 101 is not running": errors.VmNotRunning,
    "VM is paused - cannot shutdown": errors.VmPaused,
    "VM is locked (backup)": errors.VmLocked,
    "can't remove VM 101 - protection mode enabled": errors.VmProtected,
    "you can't start a vm if it's a template": errors.VmIsTemplate,
    "unable to create template, because VM contains snapshots": errors.VmHasSnapshots,
    "VM quit/powerdown failed - got timeout": errors.GuestTimeout,
    "shrinking disks is not supported": errors.DiskShrink,
    "disk 'scsi7' does not exist": errors.DiskMissing,
    "snapshot 's9' does not exist": errors.SnapshotNotFound,
    "hostname lookup 'nosuch' failed": errors.NodeNotFound,
    "no such cluster node 'pve9'": errors.NodeNotFound,
    "storage 'nosuch' does not exist": errors.StorageNotFound,
    "could not activate storage 'nosuch'": errors.StorageNotFound,
    "command 'set -o pipefail && zstd": errors.StorageNotFound,
    "volume 'store:backup/": errors.VolumeNotFound,
    "volume_size_info on 'store:backup/": errors.VolumeNotFound,
    "base volume 'store:110/base-110-disk-0.qcow2' is still in use": errors.VolumeInUse,
    "cannot remove protected volume": errors.VolumeProtected,
    "refusing to override existing file": errors.VolumeExists,
    "checksum mismatch (file change by other user?)": errors.ConfigChanged,
    "detected modified configuration": errors.ConfigChanged,
    "checksum mismatch: got": errors.ChecksumMismatch,
    "invalid server response: '500 Can't connect": errors.DownloadFailed,
    "no rule at position 99": errors.FirewallRuleNotFound,
    "IPSet 'ipfilter-net0' is not empty": errors.IpSetNotEmpty,
    "no such task": errors.TaskNotFound,
    "job errors": errors.TaskFailed,
}
# A backup of several machines says no more than that one of them failed.
WITHOUT_CLASS = {"job errors"}


def failure(exchange: Exchange) -> errors.PveError | None:
    if exchange.status != 200:
        return diagnosis.answer_error(exchange.status, exchange.reason, exchange.body)
    if exchange.exit_status not in (None, "OK"):
        return diagnosis.exit_error(exchange.exit_status or "")
    return None


FAILURES = [(exchange, error) for exchange in exchanges() if (error := failure(exchange))]


@pytest.mark.parametrize(("exchange", "error"), FAILURES, ids=lambda value: str(value)[:70])
def test_recorded_failure(exchange: Exchange, error: errors.PveError) -> None:
    start = max((start for start in EXPECTED if error.text.startswith(start)), key=len)
    assert type(error) is EXPECTED[start]
    assert type(error) not in (errors.ServerError, errors.PveError)
    assert type(error) is not errors.TaskFailed or error.text in WITHOUT_CLASS


def test_nothing_is_expected_that_was_not_recorded() -> None:
    starts = {max((start for start in EXPECTED if error.text.startswith(start)), key=len) for _, error in FAILURES}
    assert set(EXPECTED) - starts == {""}


def test_a_lock_is_named() -> None:
    error = diagnosis.exit_error("VM is locked (snapshot-delete)\n")
    assert isinstance(error, errors.VmLocked)
    assert (error.lock, error.text) == ("snapshot-delete", "VM is locked (snapshot-delete)")


def test_the_lock_of_a_file_is_no_guest_that_timed_out() -> None:
    error = diagnosis.exit_error("can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout")
    assert isinstance(error, errors.VmLocked)
    assert error.lock is None


@pytest.mark.parametrize(
    "text",
    [
        "QEMU guest agent is not running",
        "No QEMU guest agent configured",
        "QEMU Guest Agent is not running - VM 101 qga command 'guest-ping' failed - got timeout",
        "VM 101 qga command 'guest-ping' failed - got timeout",
    ],
)
def test_an_agent_that_does_not_answer(text: str) -> None:
    assert type(diagnosis.answer_error(500, text, {"data": None, "message": f"{text}\n"})) is errors.AgentNotRunning


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("backup write data failed: command error: inserting chunk: ENOSPC: No space left", errors.StorageFull),
        ("unable to open file '/etc/pve/.tmp' - No space left on device", errors.StorageFull),
        ("storage 'backup' is not online", errors.StorageUnavailable),
        ("could not activate storage 'backup': backup: error fetching datastores", errors.StorageUnavailable),
        ("could not activate storage 'backup': storage 'backup' does not exist", errors.StorageNotFound),
        ("backup connect failed: command error: error trying to connect", errors.StorageUnavailable),
        ("backup write data failed: command error: broken pipe", errors.StorageUnavailable),
        ("unable to find VM '999'", errors.VmNotFound),
    ],
)
def test_why_a_backup_fails(text: str, kind: type[errors.PveError]) -> None:
    assert type(diagnosis.exit_error(text)) is kind


def test_each_refused_parameter_is_named() -> None:
    (exchange,) = (found for found in exchanges() if str(found) == "lifecycle: create: bad values")
    error = diagnosis.answer_error(exchange.status, exchange.reason, exchange.body)
    assert isinstance(error, errors.InvalidParameter)
    assert set(error.errors) == {"name", "memory", "cores", "net0"}
    assert error.errors["cores"] == "value must have a minimum value of 1"
    assert str(error).startswith("Parameter verification failed.; name: invalid format")


def test_a_change_that_waits_for_the_next_start() -> None:
    body = {"data": None, "message": "Parameter verification failed.\n"}
    why = {"net1": "hotplug problem - error on hot-unplugging device 'net1'\n"}
    assert type(diagnosis.answer_error(400, "", {**body, "errors": why})) is errors.HotplugFailed
    both = {**why, "net2": "invalid format"}
    assert type(diagnosis.answer_error(400, "", {**body, "errors": both})) is errors.InvalidParameter


def test_no_secret_is_left_in_an_error() -> None:
    body = {"data": None, "message": "bad hunter2pass", "errors": {"cipassword": "got 'hunter2pass'"}}
    for status in (400, 500):
        error = diagnosis.answer_error(status, "", body, ["hunter2pass"])
        assert "hunter2" not in f"{error} {error!r} {vars(error)}"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (595, errors.Unreachable),
        (596, errors.ConnectionLost),
        (599, errors.ConnectionLost),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (302, errors.ServerError),
    ],
)
def test_a_status_without_a_known_text(status: int, kind: type[errors.PveError]) -> None:
    error = diagnosis.answer_error(status, "Something", "<html>")
    assert (type(error), error.text) == (kind, "Something")


def test_an_answer_that_says_nothing() -> None:
    assert diagnosis.answer_error(500, "", None).text == "HTTP 500"
