"""The name of a Proxmox VE task."""

import re
from dataclasses import dataclass

_UPID = re.compile(
    r"UPID:(?P<node>[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?):(?P<pid>[0-9A-Fa-f]{8}):(?P<pstart>[0-9A-Fa-f]{8,9})"
    r":(?P<start>[0-9A-Fa-f]{8}):(?P<type>[^:\s]+):(?P<id>[^:\s]*):(?P<user>[^:\s]+):"
)


@dataclass(frozen=True)
class Upid:
    """A task's id, which tells where, when and on what it runs. `str(upid)` is what the API takes.

    `type` is such as `qmcreate`, `id` is what it works on (mostly a VMID), `started_at` is Unix time.
    """

    value: str
    node: str
    type: str
    id: str
    user: str
    started_at: int

    @classmethod
    def parse(cls, value: str) -> "Upid":
        """Raises ValueError when `value` is no UPID."""
        found = _UPID.fullmatch(value)
        if not found:
            raise ValueError(f"not a UPID: {value[:200]!r}")
        return cls(value, found["node"], found["type"], found["id"], found["user"], int(found["start"], 16))

    @property
    def vmid(self) -> int | None:
        """The virtual machine that the task works on, if it works on one."""
        return int(self.id) if self.id.isascii() and self.id.isdecimal() else None

    def __str__(self) -> str:
        return self.value
