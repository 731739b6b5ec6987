"""Deletion and reboot answer when they are done: what they say then."""

from typing import Any

from bluelobster.http.errors import OperationFailed
from bluelobster.instances.find import Found
from bluelobster.tasks.task import Task


def deletion_answer(instance: Found, task: Task) -> dict[str, Any]:
    """Raises OperationFailed for a deletion that failed; it can be asked for again."""
    return _answer(instance, task, "deletion_failed")


def reboot_answer(instance: Found, task: Task) -> dict[str, Any]:
    """Raises OperationFailed for a reboot that failed."""
    answer = _answer(instance, task, "reboot_failed")
    end = task.ended_at or task.updated_at
    return {**answer, "duration_ms": round((end - task.created_at).total_seconds() * 1000)}


def _answer(instance: Found, task: Task, failure: str) -> dict[str, Any]:
    if task.status == "FAILED":
        raise OperationFailed(failure, task.message, task_id=str(task.id))
    return {
        "status": "success" if task.status == "COMPLETED" else "PENDING",
        "message": task.message,
        "instance_id": str(instance.id),
        "host": instance.host_id,
        "task_id": str(task.id),
    }
