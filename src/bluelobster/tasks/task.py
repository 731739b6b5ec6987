"""A task: our row of a durable operation, which is what the API shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Status = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED"]


@dataclass(frozen=True)
class Task:
    """One run of an operation, from request to outcome. `progress` is 0..100. One that does not hold its instance lets
    others work on it at the same time."""

    id: UUID
    account_id: UUID
    instance_id: UUID | None
    backup_id: UUID | None
    holds_instance: bool
    operation: str
    status: Status
    params: Mapping[str, Any]
    message: str
    progress: int
    key_prefix: str | None
    client_ip: str | None
    created_at: datetime
    updated_at: datetime
    deadline_at: datetime
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None


COLUMNS = """id, account_id, instance_id, backup_id, holds_instance, operation, status, params, message, progress,
             key_prefix, host(client_ip) as client_ip, created_at, updated_at, deadline_at, ended_at"""
