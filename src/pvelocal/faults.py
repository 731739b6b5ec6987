"""Faults that can be provoked at run time: what goes wrong, and with which call."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, get_args

from pvelocal.errors import failed
from pvelocal.tasks import Task, Work

Kind = Literal["delay", "error", "drop-before", "drop-after", "task-fails", "task-fails-after", "task-hangs"]


@dataclass(eq=False)
class Fault:
    """Something that goes wrong with the calls that match, from the `nth` on (counted from 1), `times` times.

    `path` is a regular expression that must match somewhere in the path below `/api2/json`.
    - `delay`: answer `seconds` later;
    - `error`: answer with `status` and `message` instead of acting;
    - `drop-before`: close the connection without having acted;
    - `drop-after`: act, then close the connection without an answer;
    - `task-fails`: the task that the call starts does nothing and ends with `message`;
    - `task-fails-after`: that task does its work and then ends with `message`;
    - `task-hangs`: that task does nothing and never ends.
    """

    kind: Kind
    method: str = "*"
    path: str = ""
    nth: int = 1
    times: int | None = 1
    seconds: float = 0.0
    status: int = 500
    message: str = "provoked fault"
    seen: int = 0
    fired: int = 0
    _pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"unknown kind of fault '{self.kind}'")
        try:
            self._pattern = re.compile(self.path)
        except re.error as error:
            raise ValueError(f"bad pattern: {error}") from None

    def hits(self, method: str, path: str) -> bool:
        """Count a call that matches; whether it is one that the fault befalls."""
        if self.method not in ("*", method) or self._pattern.search(path) is None:
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True

    def work(self, work: Work) -> Work:
        """The work of a task as this fault changes it."""

        async def fails(_task: Task) -> None:
            raise failed(self.message)

        async def fails_after(task: Task) -> None:
            await work(task)
            raise failed(self.message)

        async def hangs(_task: Task) -> None:
            await asyncio.Event().wait()

        changed: dict[str, Work] = {"task-fails": fails, "task-fails-after": fails_after, "task-hangs": hangs}
        return changed.get(self.kind, work)

    def describe(self) -> dict[str, object]:
        """As the control endpoint shows it."""
        return {name: value for name, value in asdict(self).items() if not name.startswith("_")}


@dataclass
class StorageFault:
    """What is wrong with a storage for backups.

    It holds `limit` bytes at most; it is `gone`, or will be once `gone_after` further bytes were written to it; a
    backup to it takes `seconds` at least, and so does every disk that is restored from it.
    """

    limit: int | None = None
    gone: bool = False
    gone_after: int | None = None
    seconds: float = 0.0

    def become(self, other: "StorageFault") -> None:
        """Take over what is wrong with another."""
        self.limit, self.gone, self.gone_after, self.seconds = other.limit, other.gone, other.gone_after, other.seconds


class Faults:
    """The faults in force. While `offline` is set every connection is closed without an answer; `storages` has what is
    wrong with each storage for backups."""

    def __init__(self) -> None:
        self.offline = False
        self.storages: dict[str, StorageFault] = {}
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force; its counters tell later what it did."""
        self._faults.append(fault)
        return fault

    def befall_storage(self, name: str, fault: StorageFault) -> None:
        """Put in force what is wrong with a storage; ValueError when there is no such storage for backups."""
        if name not in self.storages:
            raise ValueError(f"no storage for backups is called '{name}'")
        self.storages[name].become(fault)

    def clear(self) -> None:
        """Everything works again; tasks that hang stay so."""
        self._faults.clear()
        self.offline = False
        for storage in self.storages.values():
            storage.become(StorageFault())

    def befalling(self, method: str, path: str) -> list[Fault]:
        """The faults that befall this call."""
        return [fault for fault in self._faults if fault.hits(method, path)] if self._faults else []

    def describe(self) -> dict[str, object]:
        """As the control endpoint shows them."""
        return {
            "offline": self.offline,
            "faults": [fault.describe() for fault in self._faults],
            "storages": {name: asdict(fault) for name, fault in self.storages.items()},
        }


def read_fault(document: Mapping[str, object]) -> Fault:
    """A fault from its JSON form; ValueError or TypeError when it is none."""
    settable = {item.name for item in fields(Fault) if item.init} - {"seen", "fired"}
    unknown = set(document) - settable
    if unknown:
        raise ValueError(f"unknown field '{min(unknown)}'")
    return Fault(**document)  # type: ignore[arg-type]  # checked by __post_init__ and where it is used
