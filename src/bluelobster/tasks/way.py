"""The way of an operation: there by its steps, and back by what undoes them."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bluelobster.db.pool import Tx
from bluelobster.tasks.operation import Operation, Step
from bluelobster.tasks.task import Task


@dataclass(frozen=True)
class Leg:
    """One function of a step. `key` names its checkpoint; `progress` (0..100) is the whole operation's when it begins,
    None on the way back."""

    key: str
    step: Step[Any]
    function: Callable[..., Awaitable[None]]
    progress: int | None

    def concerns(self, subject: Any) -> bool:
        """Whether there is anything to do for this subject; whatever may have been done is undone."""
        return self.progress is None or self.step.concerns is None or self.step.concerns(subject)


@dataclass(frozen=True)
class Way:
    """The legs that are left, what the subject is loaded from, and what makes the task's end, in the transaction that
    keeps the last leg's checkpoint."""

    legs: Iterator[Leg]
    task: Task
    arrive: Callable[[Any, Tx], Awaitable[None]]


def there(operation: Operation[Any]) -> Iterator[Leg]:
    """What is done, in its order."""
    for number, step in enumerate(operation.steps):
        yield Leg(f"do:{step.name}", step, step.do, round(100 * number / (len(operation.steps) + 1)))


def back(operation: Operation[Any]) -> Iterator[Leg]:
    """What undoes it, the last first."""
    for step in reversed(operation.steps):
        if step.undo is not None:
            yield Leg(f"undo:{step.name}", step, step.undo, None)
