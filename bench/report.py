"""What is measured, as lines of a table."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A figure, and the one that was set for it; `most` False says that more is better."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    most: bool = True

    def __str__(self) -> str:
        shown = f"  {self.name:<58} {self.value:>10.2f} {self.unit:<6}"
        if self.goal is None:
            return shown
        reached = self.value <= self.goal if self.most else self.value >= self.goal
        return f"{shown} {'<=' if self.most else '>='} {self.goal:g} {'' if reached else 'NOT REACHED'}"


def show(title: str, lines: Sequence[Line]) -> None:
    print(title)
    for line in lines:
        print(str(line).rstrip(), flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
