"""Calls about tasks, and waiting for one to end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bluelobster.pve import diagnosis, errors
from bluelobster.pve.calls import Calls, node_path, upid_of
from bluelobster.pve.fields import Fields, mapping, mappings, optional_text, text
from bluelobster.pve.upid import Upid

_LONGEST_PAUSE = 1.0
_GROWTH = 1.5


@dataclass(frozen=True)
class TaskStatus:
    """Where a task is; `exit_status` is the server's verdict once it has ended."""

    running: bool
    exit_status: str | None

    @classmethod
    def parse(cls, fields: Fields) -> "TaskStatus":
        return cls(running=text(fields, "status") == "running", exit_status=optional_text(fields, "exitstatus"))

    @property
    def ok(self) -> bool:
        """Whether it ended well; warnings are no failure."""
        return self.exit_status is not None and (self.exit_status == "OK" or self.exit_status.startswith("WARNINGS:"))

    def raise_for_failure(self) -> None:
        """Raises the typed error of a task that ended badly."""
        if not self.running and not self.ok:
            raise diagnosis.exit_error(self.exit_status or "the task ended without an exit status")


class TaskCalls(Calls):
    """A task is asked about at the node that its id names."""

    async def task_status(self, upid: Upid) -> TaskStatus:
        """Whether it runs and how it ended. Raises TaskNotFound."""
        return TaskStatus.parse(mapping(await self._transport.get(_task(upid, "status"))))

    async def task_log(self, upid: Upid, start: int = 0, limit: int = 500) -> list[str]:
        """Lines of its log, from line `start` on. Raises TaskNotFound."""
        answer = await self._transport.get(_task(upid, "log"), {"start": start, "limit": limit})
        return [optional_text(line, "t") or "" for line in mappings(answer)]

    async def running_tasks(self, vmid: int | None = None) -> list[Upid]:
        """The tasks that run on this node now, of one virtual machine or of all."""
        only = {} if vmid is None else {"vmid": vmid}
        answer = mappings(await self._transport.get(self._path("tasks"), {"source": "active", **only}))
        # The server's list of active tasks keeps those that ended a moment ago.
        return [upid_of(fields.get("upid")) for fields in answer if fields.get("endtime") is None]

    async def stop_task(self, upid: Upid) -> None:
        """Ask a task to end; it cleans up and fails. One that has ended stays as it is. Raises TaskNotFound."""
        await self._transport.delete(node_path(upid.node, "tasks", str(upid)))

    async def wait(
        self,
        upid: Upid,
        *,
        timeout: float,  # noqa: ASYNC109 - the time-out is the task's, not the call's
        poll: float = 0.1,
        on_poll: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Return when the task has ended well, with warnings or without.

        Asks after `poll` seconds, then ever less often, down to once a second; `on_poll` is called each time that it
        still runs. Raises the typed error of its exit status (TaskFailed when there is none), TaskNotFound, or
        TaskTimeout after `timeout` seconds; the task then goes on.
        """
        clock = asyncio.get_running_loop()
        deadline = clock.time() + timeout
        pause = poll
        while (status := await self.task_status(upid)).running:
            if on_poll is not None:
                await on_poll()
            left = deadline - clock.time()
            if left <= 0:
                raise errors.TaskTimeout(f"{upid} still runs after {timeout:g} s")
            await asyncio.sleep(min(pause, left))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
        status.raise_for_failure()


def _task(upid: Upid, part: str) -> str:
    return node_path(upid.node, "tasks", str(upid), part)
