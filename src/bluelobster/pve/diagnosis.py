"""From what the server says to the class of error. HTTP answers and the exit statuses of tasks share one table."""

import re
from collections.abc import Sequence

from bluelobster.pve import errors

_TEXTS: tuple[tuple[re.Pattern[str], type[errors.PveError]], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"Configuration file '.*' does not exist", errors.VmNotFound),
        (r"unable to find configuration file for VM \d+|unable to find VM '\d+'", errors.VmNotFound),
        (r"VM \d+ already exists|unable to create VM \d+: config file already exists", errors.VmExists),
        (r"VM is locked|can't lock file '.*' - got timeout", errors.VmLocked),
        (r"VM \d+ is running - destroy failed|VM \d+ already running|- vm is running", errors.VmRunning),
        (r"qga command '.*' failed|guest agent is not running|No QEMU guest agent configured", errors.AgentNotRunning),
        (r"VM \d+ (is )?not running", errors.VmNotRunning),
        (r"VM is paused", errors.VmPaused),
        (r"can't remove VM \d+ - protection mode enabled", errors.VmProtected),
        (r"can't start a vm if it's a template", errors.VmIsTemplate),
        (r"VM contains snapshots", errors.VmHasSnapshots),
        (r"VM quit/powerdown failed", errors.GuestTimeout),
        (r"shrinking disks is not supported", errors.DiskShrink),
        (r"disk '.*' does not exist", errors.DiskMissing),
        (r"snapshot '.*' does not exist", errors.SnapshotNotFound),
        (r"hostname lookup '.*' failed|no such cluster node '.*'", errors.NodeNotFound),
        (r"storage '.*' does not exist", errors.StorageNotFound),
        (r"volume '.*' does not exist|volume_size_info on '.*' failed", errors.VolumeNotFound),
        (r"base volume '.*' is still in use", errors.VolumeInUse),
        (r"cannot remove protected volume", errors.VolumeProtected),
        (r"refusing to override existing file", errors.VolumeExists),
        (r"no rule at position \d+", errors.FirewallRuleNotFound),
        (r"IPSet '.*' is not empty", errors.IpSetNotEmpty),
        (r"checksum mismatch \(file change|detected modified configuration", errors.ConfigChanged),
        (r"checksum mismatch: got", errors.ChecksumMismatch),
        (r"invalid server response: ", errors.DownloadFailed),
        (r"(?i)no space left on device|\bENOSPC\b|disk quota exceeded", errors.StorageFull),
        (r"storage '.*' is (not online|disabled)|could not activate storage '.*'", errors.StorageUnavailable),
        (r"error fetching datastores", errors.StorageUnavailable),
        (r"backup (connect|register image|write data|finish) failed", errors.StorageUnavailable),
        (r"only root can set ", errors.Forbidden),
        (r"no options specified|SSH public key validation error", errors.InvalidParameter),
        (r"parameter '.*' not allowed", errors.InvalidParameter),
    )
)

_STATUSES: dict[int, type[errors.PveError]] = {
    400: errors.InvalidParameter,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    501: errors.NotImplementedByServer,
    # What the API server answers when it could not pass the call on to the node (AnyEvent::HTTP's own codes).
    595: errors.Unreachable,
    596: errors.ConnectionLost,
    597: errors.ConnectionLost,
    599: errors.ConnectionLost,
}


def answer_error(status: int, reason: str, body: object, secrets: Sequence[str] = ()) -> errors.PveError:
    """The error of an answer whose HTTP status is not a success; none of `secrets` is left in it."""
    fields = body if isinstance(body, dict) else {}
    text = _without(secrets, str(fields.get("message") or reason).strip()) or f"HTTP {status}"
    if status == 400:
        details = fields.get("errors")
        why = details if isinstance(details, dict) else {}
        return _parameter_error(text, {name: _without(secrets, str(reason).strip()) for name, reason in why.items()})
    kind = _STATUSES.get(status) or _recognised(text) or errors.ServerError
    return kind(text)


def exit_error(exit_status: str) -> errors.PveError:
    """The error of a task that ended with this exit status."""
    text = exit_status.strip()
    return (_recognised(text) or errors.TaskFailed)(text)


def _recognised(text: str) -> type[errors.PveError] | None:
    return next((kind for pattern, kind in _TEXTS if pattern.search(text)), None)


def _parameter_error(text: str, why: dict[str, str]) -> errors.PveError:
    if why.get("upid") == "no such task":
        return errors.TaskNotFound(why["upid"])
    if why and all(reason.startswith("hotplug problem - ") for reason in why.values()):
        return errors.HotplugFailed(f"{text} {'; '.join(why.values())}")
    return errors.InvalidParameter(text, why)


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text
