"""Backups as the API shows them."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from bluelobster.backups.find import Backup
from bluelobster.instances.find import Found
from bluelobster.instances.views import Running

UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


class BackupView(BaseModel):
    """A backup in its storage."""

    volid: str = Field(description="Its name, by which it is restored and deleted")
    size_bytes: int = Field(description="What it would take by itself")
    size_human: str
    stored_bytes: int | None = Field(
        description="What it added to the storage, which keeps what several backups share once; null where unknown"
    )
    created_at: str
    format: str
    notes: str | None
    scheduled: bool = Field(description="Whether a schedule made it; only those are pruned by one")
    protected: bool = Field(description="Whether the operator keeps it from being deleted")
    deleting: bool = Field(description="Whether it is being deleted")


class AccountBackupView(BackupView):
    """A backup, with the instance that it is of."""

    instance_id: str
    instance_name: str
    instance_deleted: bool


class InstanceBackups(BaseModel):
    """The backups of an instance, newest first."""

    instance_id: str
    storage: str | None = Field(description="Where new backups go; null where there can be none")
    backups: list[BackupView]
    total: int
    backup_in_progress: Running | None
    restore_in_progress: Running | None


class AccountBackups(BaseModel):
    """The backups of an account, newest first, those of deleted instances too."""

    backups: list[AccountBackupView]
    total: int
    total_size_bytes: int


class InstanceStorage(BaseModel):
    """What an instance's backups take, and have cost since the month began."""

    instance_id: str
    instance_name: str
    instance_deleted: bool
    backup_count: int
    size_bytes: int
    size_gb: float
    stored_bytes: int
    cost_this_month_cents: int


class BackupStorage(BaseModel):
    """What all backups take and cost. A GB is 2**30 bytes."""

    total_bytes: int = Field(description="The sizes of all backups, which is what is billed")
    total_gb: float
    stored_bytes: int = Field(description="What they take where what they share is kept once")
    backup_count: int
    price_cents_per_gb_month: int = Field(description="What storage costs that is used from now on")
    month: str = Field(description="The month that is billed, in UTC")
    cost_this_month_cents: int
    by_instance: list[InstanceStorage]


def human(size: int) -> str:
    """`45.2 GB`, where a GB is 2**30 bytes; rounded to the nearest, halves up."""
    power = 0
    while power < len(UNITS) - 1 and _tenths(size, power) >= 10240:
        power += 1
    tenths = _tenths(size, power)
    return f"{tenths // 10}.{tenths % 10} {UNITS[power]}" if power else f"{size} B"


def _tenths(size: int, power: int) -> int:
    unit = 1 << 10 * power
    return (20 * size + unit) // (2 * unit)


def gigabytes(size: int) -> float:
    """In units of 2**30 bytes, to hundredths."""
    return ((200 * size + (1 << 30)) // (1 << 31)) / 100


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """An entry of a list, with its size in words."""
    return {**row, "size_human": human(row["size_bytes"])}


def started_answer(instance: Found, task_id: UUID) -> dict[str, Any]:
    """A backup was queued."""
    return {
        "message": "Backup started",
        "task_id": str(task_id),
        "status": "PENDING",
        "instance_id": str(instance.id),
    }


def deletion_answer(backup: Backup, task_id: UUID) -> dict[str, Any]:
    """The deletion of a backup was queued."""
    return {
        "message": "Backup deletion started",
        "task_id": str(task_id),
        "status": "PENDING",
        "instance_id": str(backup.instance_id),
        "backup_volid": backup.volid,
    }
