"""Work that outlives its request: tasks with UPIDs, logs and an exit status, remembered over restarts."""

import asyncio
import errno
import json
import logging
import os
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from pvelocal.access import Token
from pvelocal.errors import ApiError, bad_parameters
from pvelocal.hypervisor import HypervisorError

_UPID = re.compile(
    r"UPID:(?P<node>[^:]+):(?P<pid>[0-9A-Fa-f]{8}):(?P<pstart>[0-9A-Fa-f]{8,9}):(?P<start>[0-9A-Fa-f]{8})"
    r":(?P<type>[^:\s]+):(?P<id>[^:\s]*):(?P<user>[^:\s]+):"
)
_KEPT = 5_000
_JOURNAL_LIMIT = 32 << 20
_LOST = "unexpected status"
_logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Task:
    """One task. `exit_status` is None while it runs; `OK` means success, as does `WARNINGS: n`; anything else is the
    error."""

    upid: str
    node: str
    pid: int
    process_start: int
    started: int
    type: str
    subject: str
    token_id: str
    lines: list[str] = field(default_factory=list)
    exit_status: str | None = None
    ended: int = 0
    warnings: int = 0

    def warn(self, line: str) -> None:
        """Add a warning to its log, which its exit status counts."""
        self.warnings += 1
        self.log(f"WARN: {line}")

    def log(self, line: str) -> None:
        """Add a line to the task's log."""
        self.lines.append(line)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.exit_status is None

    def describe(self) -> dict[str, object]:
        """The fields that every listing of a task shows."""
        user, _, name = self.token_id.partition("!")
        return {
            "upid": self.upid, "node": self.node, "type": self.type, "id": self.subject, "user": user, "tokenid": name,
            "starttime": self.started,
        }  # fmt: skip

    def process(self) -> dict[str, object]:
        """The fields about its process."""
        return {"pid": self.pid, "pstart": self.process_start}


Work = Callable[[Task], Awaitable[None]]


class Tasks:
    """All tasks of the node, newest last, with a journal that names the ones a dead node left unfinished."""

    def __init__(self, node: str, journal: Path) -> None:
        self._node = node
        self._journal_path = journal
        self._known: dict[str, Task] = {}
        self._order: deque[Task] = deque()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._next_pid = 1000
        self._boot = time.time() - time.monotonic()
        self._replay()
        self._journal = self._rewritten()

    def _replay(self) -> None:
        if not self._journal_path.exists():
            return
        for line in self._journal_path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                task = self._known.get(entry["upid"]) or self._remember(_parse(entry["upid"]))
            except (ValueError, KeyError, TypeError):
                continue  # the end of a line that the dead node did not finish
            if "exit" in entry:
                task.exit_status, task.ended, task.lines = entry["exit"], entry["ended"], entry["log"]
        for task in self._order:
            if task.running:
                task.exit_status, task.ended = _LOST, task.started
            self._next_pid = max(self._next_pid, task.pid + 1)

    def _rewritten(self) -> FileIO:
        """The journal, made anew of what is known."""
        temporary = self._journal_path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(_entry(task) for task in self._order)
        temporary.replace(self._journal_path)
        journal = self._journal_path.open("ab", buffering=0)
        self._torn = False
        self._written = journal.tell()
        self._limit = max(_JOURNAL_LIMIT, 2 * self._written)
        return journal

    def _remember(self, task: Task) -> Task:
        self._known[task.upid] = task
        self._order.append(task)
        while len(self._order) > _KEPT and not self._order[0].running:
            del self._known[self._order.popleft().upid]
        return task

    def _write(self, task: Task) -> None:
        """Raises OSError where there is no room, with a line that the next one leaves behind."""
        entry = b"\n" * self._torn + _entry(task).encode()
        self._torn = True
        if self._journal.write(entry) != len(entry):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._journal_path))
        self._torn = False
        self._written += len(entry)

    def _keep_short(self) -> None:
        if self._written <= self._limit:
            return
        old = self._journal
        try:
            self._journal = self._rewritten()
        except OSError as error:
            self._limit *= 2
            _logger.error("the journal of tasks only grows: %s", error)
        else:
            old.close()

    def start(self, kind: str, subject: str, token: Token, work: Work) -> str:
        """Begin a task and return its UPID at once; what `work` raises becomes the exit status. Raises OSError, with
        nothing begun, where it cannot be written down."""
        self._next_pid += 1
        started, ticks = int(time.time()), int((time.time() - self._boot) * 100) & 0xFFFFFFFF
        upid = f"UPID:{self._node}:{self._next_pid:08X}:{ticks:08X}:{started:08X}:{kind}:{subject}:{token.id}:"
        task = _parse(upid)
        self._write(task)
        self._remember(task)
        self._keep_short()
        self._running[upid] = asyncio.get_running_loop().create_task(self._run(task, work))
        return upid

    async def _run(self, task: Task, work: Work) -> None:
        try:
            await work(task)
            status = f"WARNINGS: {task.warnings}" if task.warnings else "OK"
        except (ApiError, HypervisorError) as error:
            status = str(error).split("\n", 1)[0]
        except asyncio.CancelledError:
            status = "received interrupt"
        except Exception as error:
            _logger.exception("task %s", task.upid)
            status = f"{type(error).__name__}: {error}".split("\n", 1)[0]
        done = status.startswith(("OK", "WARNINGS: "))
        task.log(f"TASK {status}" if done else f"TASK ERROR: {status}")
        task.exit_status, task.ended = status, int(time.time())
        self._running.pop(task.upid, None)
        if not self._journal.closed:
            try:
                self._write(task)
                self._keep_short()
            except OSError as error:
                _logger.error("how task %s ended is not kept: %s", task.upid, error)

    def get(self, upid: str) -> Task:
        """A task by its UPID; ApiError 400 for an unknown or malformed one."""
        task = self._known.get(upid)
        if task is None:
            known = _UPID.fullmatch(upid) is not None
            raise bad_parameters({"upid": "no such task" if known else "unable to parse worker upid"})
        return task

    def newest(self) -> list[Task]:
        """All tasks, the newest first."""
        return list(reversed(self._order))

    def stop(self, upid: str) -> None:
        """Interrupt a running task."""
        job = self._running.get(self.get(upid).upid)
        if job is not None:
            job.cancel()

    async def wait(self, upid: str) -> Task:
        """Wait until a task has ended."""
        job = self._running.get(upid)
        if job is not None:
            await asyncio.wait({job})
        return self.get(upid)

    async def close(self) -> None:
        """Interrupt what still runs; its locks and half-made things are cleared at the next start."""
        jobs = list(self._running.values())
        for job in jobs:
            job.cancel()
        if jobs:
            await asyncio.wait(jobs)
        self._journal.close()


def _parse(upid: str) -> Task:
    match = _UPID.fullmatch(upid)
    if match is None:
        raise ValueError(upid)
    return Task(
        upid=upid, node=match["node"], pid=int(match["pid"], 16), process_start=int(match["pstart"], 16),
        started=int(match["start"], 16), type=match["type"], subject=match["id"], token_id=match["user"],
    )  # fmt: skip


def _entry(task: Task) -> str:
    entry: dict[str, object] = {"upid": task.upid}
    if not task.running:
        entry |= {"exit": task.exit_status, "ended": task.ended, "log": task.lines}
    return json.dumps(entry) + "\n"
