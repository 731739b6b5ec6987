"""Waits for the end of a task."""

from collections.abc import Callable

from bluelobster_client.clock import Clock
from bluelobster_client.errors import ApiError, BlueLobsterError, CannotConnect, ServerFault, TooManyRequests
from bluelobster_client.models import Task

FIRST_PAUSE = 0.3
LONGEST_PAUSE = 2.0
PAUSE_GROWTH = 1.3
# An API that restarts is back well within this time.
GRACE_SECONDS = 60.0


class TaskFailed(BlueLobsterError):
    """The operation failed; the message says why, `task` has the rest."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.message or f"{task.operation} failed")
        self.task = task


class WaitTimedOut(BlueLobsterError):
    """The task goes on, but the time to wait for it is over."""

    def __init__(self, task_id: str, seconds: float) -> None:
        super().__init__(f"task {task_id} has not ended after {seconds:g} s; it goes on")
        self.task_id = task_id


def wait_for_end(
    task_id: str,
    read: Callable[[str], Task],
    on_change: Callable[[Task], None] | None,
    timeout: float | None,
    clock: Clock,
) -> Task:
    """Asks `read` for the task until it is COMPLETED and returns it.

    Asks after 0.3 s at first and every 2 s later on; waits as long as the API says where it asks for less. An API that
    does not answer, or answers that it failed, is asked again for a minute.
    Raises `TaskFailed`, `WaitTimedOut` after `timeout` seconds, and what `read` raises.
    """
    started = answered = clock.now()
    pause, seen = FIRST_PAUSE, None
    while True:
        delay = pause
        try:
            task = read(task_id)
        except (CannotConnect, ServerFault, TooManyRequests) as error:
            if not isinstance(error, TooManyRequests) and clock.now() - answered > GRACE_SECONDS:
                raise
            delay = max(pause, asked_pause(error))
        else:
            answered = clock.now()
            state = (task.status, task.message, task.progress)
            if on_change and state != seen:
                on_change(task)
            seen = state
            if task.failed:
                raise TaskFailed(task)
            if task.ended:
                return task
        if timeout is not None:
            left = started + timeout - clock.now()
            if left <= 0:
                raise WaitTimedOut(task_id, timeout)
            delay = min(delay, left)
        clock.sleep(delay)
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)


def asked_pause(error: Exception) -> float:
    """Seconds that the API asked to wait; 0 where it did not."""
    return error.retry_after or 0.0 if isinstance(error, ApiError) else 0.0
