"""Deletion and reboot answer when they are done: what they say then."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from bluelobster.db.pool import Pool
from bluelobster.http.errors import OperationFailed
from bluelobster.http.later import Later
from bluelobster.instances.find import Found, queued_answer
from bluelobster.tasks.ended import wait_until_ended
from bluelobster.tasks.task import Task

PATIENCE_SECONDS = 20.0


def when_ended(
    pool: Pool, instance: Found, task_id: UUID, queued: str, answer: Callable[[Found, Task], dict[str, Any]]
) -> Later:
    """The answer to what a task does, when it is done or 20 s have passed."""

    async def wait() -> dict[str, Any]:
        return answer(instance, await wait_until_ended(pool, task_id, PATIENCE_SECONDS))

    return Later(queued_answer(instance, task_id, "PENDING", queued), wait)


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
