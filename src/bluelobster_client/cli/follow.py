"""Shows how a task gets on until it ends."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.progress import Task as Row
from rich.text import Text

from bluelobster_client.cli.terminal import clean, say, screen
from bluelobster_client.client import Client
from bluelobster_client.models import Task


class Seconds(ProgressColumn):
    """Whole seconds since the start."""

    def render(self, task: Row) -> Text:
        return Text(f"{int(task.elapsed or 0)} s", style="dim")


class Lines:
    """A line for each new message, for logs and pipes."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._message = ""

    def show(self, task: Task) -> None:
        message = task.message or task.status.lower()
        if message != self._message:
            self._message = message
            say(f"{int(time.monotonic() - self._started)} s: {message}")


class Bar:
    """A bar with the current message; it moves by itself where the API tells no percentage."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._row = progress.add_task(clean(label), total=None, message="")

    def show(self, task: Task) -> None:
        total = None if task.progress is None else 100
        message = clean(task.message or task.status.lower())
        self._progress.update(self._row, total=total, completed=task.progress or 0, message=message)


def follow(client: Client, task_id: str, label: str) -> Task:
    """Waits for the task, showing its progress on standard error, and returns it.

    Raises as `Client.wait`.
    """
    console = screen(stderr=True)
    if not console.is_interactive:
        return client.wait(task_id, on_change=Lines().show)
    with bar_on(console) as progress:
        return client.wait(task_id, on_change=Bar(progress, label).show)


def bar_on(console: Console) -> Progress:
    """The bar goes when the task ends."""
    return Progress(
        TextColumn("{task.description}", markup=False, style="bold"),
        BarColumn(),
        Seconds(),
        TextColumn("{task.fields[message]}", markup=False),
        console=console,
        transient=True,
    )
