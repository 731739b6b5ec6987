"""What a durable operation is: steps with their undo, and how it ends."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from bluelobster.db.pool import Tx
from bluelobster.tasks.task import Task

Subject = TypeVar("Subject")


class GiveUp(Exception):
    """The operation cannot succeed. The text is for the customer; what was done is undone."""


class TryAgain(Exception):
    """Not yet: the step is repeated a little later, until the operation's deadline."""


@dataclass(frozen=True)
class Ended:
    """The outcome as the customer reads it."""

    message: str


@dataclass(frozen=True)
class Step(Generic[Subject]):
    """Something to do and how to undo it.

    A function that takes `tx` writes rows: it runs exactly once, in the transaction of its checkpoint. One
    that takes `node` talks to the hypervisor: it may run again after a crash, and must come to the same end.
    Undo must be safe when do never ran. A step that does not `concern` its subject is passed over on the way there.
    """

    says: str
    do: Callable[..., Awaitable[None]]
    undo: Callable[..., Awaitable[None]] | None = None
    concerns: Callable[[Subject], bool] | None = None

    @property
    def name(self) -> str:
        return self.do.__name__


@dataclass(frozen=True)
class Operation(Generic[Subject]):
    """A durable operation on one subject, such as an instance.

    `load` reads the subject afresh before each step. `done` and `failed` make the last change of our rows, in
    the transaction that ends the task; the task that `failed` is loaded from says why. `complaint` begins the
    message of a failure. `deadline_seconds` after it began the operation gives up and undoes; until a worker begins, it
    waits. One that `takes_long`, or waits long for others, leaves some of a worker's slots alone.
    """

    name: str
    load: Callable[[Tx, Task], Awaitable[Subject]]
    host_of: Callable[[Subject], str]
    steps: tuple[Step[Subject], ...]
    done: Callable[[Subject, Tx, Any], Awaitable[Ended]]
    failed: Callable[[Subject, Tx, Any], Awaitable[None]]
    complaint: str
    deadline_seconds: int
    takes_long: bool = False

    def __post_init__(self) -> None:
        for step in self.steps:
            for function in (step.do, step.undo):
                if function is not None:
                    side_of(function)
        names = [step.name for step in self.steps]
        if len(set(names)) != len(names):
            raise TypeError(f"{self.name}: two steps have one name")


def side_of(function: Callable[..., Awaitable[None]]) -> Literal["tx", "node"]:
    """Which of the two a step's function touches; TypeError unless it is exactly one."""
    sides = {"tx", "node"} & inspect.signature(function).parameters.keys()
    if sides == {"tx"}:
        return "tx"
    if sides == {"node"}:
        return "node"
    raise TypeError(f"{function.__qualname__} must take either tx or node")
