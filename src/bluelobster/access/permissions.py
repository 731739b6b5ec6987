"""Who may do what: one table, read by every route before it reads anything else."""

from dataclasses import dataclass
from typing import Literal

Permission = Literal["read", "write", "buy", "staff"]


@dataclass(frozen=True)
class Requirement:
    """What an operation asks of a key, and how its lack is said."""

    permission: Permission
    refusal: str = "Write permission required"


READ = Requirement("read")
WRITE = Requirement("write")
BUY = Requirement("buy", "Buyer permission required")
STAFF = Requirement("staff", "Staff permission required")

# By the name of the operation's function, which is also the beginning of its operationId.
OPERATIONS: dict[str, Requirement] = {
    "get_task_status": READ,
    "list_tasks": READ,
    "list_templates": READ,
    "list_instances": READ,
    "get_available_instances": READ,
    "launch_standard_instance": BUY,
    "launch_custom_instance": STAFF,
    "get_resources": STAFF,
    "get_instance_log": READ,
    "get_instance": READ,
    "delete_instance": WRITE,
    "reboot_instance": WRITE,
    "shutdown_instance": WRITE,
    "force_shutdown_instance": WRITE,
    "power_on_instance": WRITE,
    "power_cycle_instance": WRITE,
    "rename_instance": WRITE,
    "get_instance_stats": READ,
}

GRANTS: dict[str, frozenset[Permission]] = {
    "read": frozenset({"read"}),
    "full": frozenset({"read", "write", "buy"}),
    "staff": frozenset({"read", "write", "buy", "staff"}),
}
