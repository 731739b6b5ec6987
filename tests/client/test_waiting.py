"""Waiting for a task, with a clock that needs no time."""

from collections.abc import Callable

import pytest

from bluelobster_client import (
    AnswerLost,
    BlueLobsterError,
    CannotConnect,
    Clock,
    NotFound,
    ServerFault,
    Task,
    TaskFailed,
    TooManyRequests,
    WaitTimedOut,
)
from bluelobster_client.waiting import GRACE_SECONDS, LONGEST_PAUSE, wait_for_end
from client import answers

Step = dict[str, object] | BlueLobsterError


class Bench:
    """A clock that moves only by sleeping, and a task that goes through prepared steps."""

    def __init__(self, *steps: Step) -> None:
        self.time = 0.0
        self.slept: list[float] = []
        self.asked_at: list[float] = []
        self._steps = list(steps)

    def wait(self, on_change: Callable[[Task], None] | None = None, timeout: float | None = None) -> Task:
        return wait_for_end(answers.TASK, self._read, on_change, timeout, Clock(lambda: self.time, self._sleep))

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def _read(self, task_id: str) -> Task:
        assert task_id == answers.TASK
        self.asked_at.append(self.time)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, BlueLobsterError):
            raise step
        return Task.parse(step)


RUNNING = answers.task()
DONE = answers.task("COMPLETED", "Ready")


def test_a_task_that_has_ended_is_not_waited_for() -> None:
    bench = Bench(DONE)
    assert bench.wait().message == "Ready"
    assert bench.slept == []


def test_pauses_grow_from_a_third_of_a_second_to_two() -> None:
    bench = Bench(*[RUNNING] * 20, DONE)
    bench.wait()
    assert bench.slept[0] == 0.3
    assert bench.slept == sorted(bench.slept)
    assert bench.slept[-1] == LONGEST_PAUSE == 2.0


def test_every_change_is_told_once() -> None:
    told: list[tuple[str, str, int | None]] = []
    Bench(
        answers.task("PENDING", "Queued"),
        answers.task(progress=10),
        answers.task(progress=10),
        answers.task(progress=170),
        DONE,
    ).wait(lambda task: told.append((task.status, task.message, task.progress)))
    assert told == [
        ("PENDING", "Queued", None),
        ("PROCESSING", "Starting the machine", 10),
        ("PROCESSING", "Starting the machine", 100),
        ("COMPLETED", "Ready", None),
    ]


def test_a_failure_is_raised_with_the_tasks_own_words() -> None:
    with pytest.raises(TaskFailed, match="No room on any host") as caught:
        Bench(RUNNING, answers.task("FAILED", "No room on any host")).wait()
    assert caught.value.task.failed


def test_a_failure_without_words_names_the_operation() -> None:
    with pytest.raises(TaskFailed, match="create_instance failed"):
        Bench(answers.task("FAILED", "")).wait()


def test_waits_as_long_as_the_api_asks() -> None:
    busy = TooManyRequests(429, "rate_limited", "slow down", None, 9.0)
    away = ServerFault(503, "unavailable", "back soon", None, 30.0)
    bench = Bench(busy, RUNNING, away, DONE)
    bench.wait()
    assert bench.slept[0] == 9.0
    assert bench.slept[2] == 30.0


def test_a_short_outage_is_waited_out() -> None:
    lost: list[Step] = [CannotConnect("u", "refused"), AnswerLost("u", "reset"), ServerFault(500, "c", "m")]
    assert Bench(RUNNING, *lost, *lost, DONE).wait().status == "COMPLETED"


def test_a_long_outage_ends_the_wait() -> None:
    bench = Bench(RUNNING, CannotConnect("u", "refused"))
    with pytest.raises(CannotConnect):
        bench.wait()
    assert GRACE_SECONDS < bench.time < GRACE_SECONDS + 5


def test_being_asked_to_slow_down_is_no_outage() -> None:
    busy = TooManyRequests(429, "rate_limited", "slow down", None, 50.0)
    assert Bench(RUNNING, *[busy] * 5, DONE).wait().status == "COMPLETED"


def test_an_unknown_task_is_not_waited_for() -> None:
    with pytest.raises(NotFound):
        Bench(NotFound(404, "task_not_found", "Task not found")).wait()


@pytest.mark.parametrize("step", [RUNNING, TooManyRequests(429, "c", "m", None, 600.0)])
def test_the_wait_ends_when_its_time_is_over(step: Step) -> None:
    bench = Bench(step)
    with pytest.raises(WaitTimedOut, match="goes on"):
        bench.wait(timeout=10)
    assert bench.time == pytest.approx(10)
