"""Everything that can go wrong with a Proxmox VE call, one class a situation.

PveError
├── NoAnswer
│   ├── Unreachable               nothing was sent: the call did not act
│   │   └── CertificateMismatch
│   └── ConnectionLost            the call may have acted
├── Refused                       the call itself is wrong or not allowed; repeating it is useless
│   ├── Unauthorized, Forbidden, NotImplementedByServer
│   ├── InvalidParameter
│   └── DiskShrink
├── NotFound
│   ├── NodeNotFound, StorageNotFound, VolumeNotFound, TaskNotFound
│   └── VmNotFound, DiskMissing, SnapshotNotFound, FirewallRuleNotFound
├── Conflict                      the thing is in a state in which the call cannot be
│   ├── VmExists, VmLocked, VmRunning, VmNotRunning, VmPaused, VmProtected, VmIsTemplate
│   ├── VmHasSnapshots, VolumeInUse, VolumeExists, VolumeProtected, IpSetNotEmpty
│   └── ConfigChanged
├── GuestTimeout, AgentNotRunning the guest does not answer
├── DownloadFailed, ChecksumMismatch
├── StorageFull, StorageUnavailable
├── TaskFailed, TaskTimeout
└── ServerError                   the rest
    └── UnexpectedAnswer
"""

import re
from collections.abc import Mapping


class PveError(Exception):
    """A call failed. `text` is what the server said, without the secrets that were sent."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class NoAnswer(PveError):
    """The server gave no answer."""


class Unreachable(NoAnswer):
    """No connection came about; the call was not sent."""


class CertificateMismatch(Unreachable):
    """The server's certificate is not the one that was pinned; nothing was sent."""


class ConnectionLost(NoAnswer):
    """The call was sent, at least in part, and its answer never came: it may have acted."""


class Refused(PveError):
    """The call itself is wrong or not allowed."""


class Unauthorized(Refused):
    """The token is missing, wrong, expired or switched off (401)."""


class Forbidden(Refused):
    """The token lacks a privilege (403), or only root's password login may do this."""


class NotImplementedByServer(Refused):
    """The server does not know this path or method (501)."""


class InvalidParameter(Refused):
    """Parameters were refused. `errors` says why, by parameter; it is empty when the server names none."""

    def __init__(self, text: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.errors: Mapping[str, str] = dict(errors or {})

    def __str__(self) -> str:
        return "; ".join([self.text, *(f"{name}: {why}" for name, why in self.errors.items())])


class HotplugFailed(PveError):
    """The configuration was changed, but the running machine was not: the change waits for its next start."""


class DiskShrink(Refused):
    """A disk can only grow."""


class NotFound(PveError):
    """Something that the call names does not exist."""


class NodeNotFound(NotFound):
    """No such node in the cluster."""


class StorageNotFound(NotFound):
    """No such storage."""


class VolumeNotFound(NotFound):
    """No such volume in the storage."""


class TaskNotFound(NotFound):
    """No such task: its node never ran it, or has forgotten it."""


class VmNotFound(NotFound):
    """No such virtual machine on the node."""


class DiskMissing(NotFound):
    """The virtual machine has no such disk."""


class SnapshotNotFound(NotFound):
    """The virtual machine has no such snapshot."""


class FirewallRuleNotFound(NotFound):
    """No firewall rule at this position."""


class Conflict(PveError):
    """The thing is in a state in which the call cannot be carried out."""


class VmExists(Conflict):
    """The VMID is taken."""


class VmLocked(Conflict):
    """Another operation holds the virtual machine. `lock` is its kind, such as `backup`, or None if not told."""

    @property
    def lock(self) -> str | None:
        found = re.search(r"VM is locked \(([\w-]+)\)", self.text)
        return found[1] if found else None


class VmRunning(Conflict):
    """The virtual machine runs already, or has to be stopped first."""


class VmNotRunning(Conflict):
    """The virtual machine has to run for this."""


class VmPaused(Conflict):
    """The virtual machine is paused."""


class VmProtected(Conflict):
    """The virtual machine is protected against removal."""


class VmIsTemplate(Conflict):
    """A template cannot be started."""


class VmHasSnapshots(Conflict):
    """The virtual machine has snapshots, which are in the way."""


class VolumeInUse(Conflict):
    """Other disks build upon this volume."""


class VolumeExists(Conflict):
    """A volume of this name exists."""


class VolumeProtected(Conflict):
    """The volume is protected against removal."""


class IpSetNotEmpty(Conflict):
    """The IP set still has members."""


class ConfigChanged(Conflict):
    """Somebody else changed the configuration in between: the digest differs."""


class GuestTimeout(PveError):
    """The guest did not shut down in time."""


class AgentNotRunning(PveError):
    """The guest agent does not answer: not configured, not installed, or the guest still boots."""


class DownloadFailed(PveError):
    """The server could not fetch a URL."""


class ChecksumMismatch(PveError):
    """What was transferred does not have the promised checksum."""


class StorageFull(PveError):
    """A storage has no room left."""


class StorageUnavailable(PveError):
    """A storage does not answer its node: it is away, or switched off."""


class TaskFailed(PveError):
    """A task ended with an error that has no class of its own."""


class TaskTimeout(PveError):
    """A task still ran when the patience ended; it goes on."""


class ServerError(PveError):
    """The server failed in a way that has no class of its own."""


class UnexpectedAnswer(ServerError):
    """The call succeeded, but its answer is not what the API promises."""
