"""What may happen in a cloud: each a line that can be read in a failing history."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from hypothesis import strategies as st

from cloud import LAUNCH, eventually
from property.world import World
from pvelocal.faults import Fault, Kind

ACCOUNTS = ("customer", "stranger")
NAMES = ("web", "data", "gpu-box")
TYPES = ("v1_cpu_small", "v1_cpu_medium", "gpu_1x_a4000", "gpu_2x_a4000")
ACTIONS = ("reboot", "shutdown", "force-shutdown", "power-on", "power-cycle")
KINDS: tuple[Kind, ...] = ("delay", "drop-before", "drop-after", "error", "error")
TASK_KINDS: tuple[Kind, ...] = ("task-hangs", "task-fails", "task-fails", "task-fails-after")
# Calls of operations, by method and path; what the second ones start is a task.
CALLS = (
    ("GET", r"/qemu/\d+/config$"),
    ("PUT", r"/qemu/\d+/config$"),
    ("GET", r"/tasks/UPID:[^/]+/status$"),
    ("GET", r"/qemu/\d+/status/current$"),
    ("POST", r"/agent/ping$"),
    ("GET", r"/tasks$"),
    ("GET", r"/cluster/resources$"),
)
STARTING_CALLS = (
    ("POST", r"/qemu$"),
    ("PUT", r"/qemu/\d+/resize$"),
    ("POST", r"/status/start$"),
    ("POST", r"/status/(stop|shutdown|reset)$"),
    ("DELETE", r"/qemu/\d+$"),
)
ACCEPTED = 200
# What a request may be answered with when it cannot be had; anything else is a bug.
REFUSALS = {
    (400, "name_taken"),
    (400, "invalid_state"),
    (404, "instance_not_found"),
    (404, "not_found"),
    (409, "operation_in_progress"),
    (409, "resource_conflict"),
    (500, "deletion_failed"),
    (500, "reboot_failed"),
}


class Command(Protocol):
    """Something that happens."""

    async def happen(self, world: World) -> None:
        """Let it happen."""


async def request(world: World, account: str, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
    """The answer to a request that was granted, or None."""
    answer = await world.accounts[account].request(method, path, json=body)
    said: dict[str, Any] = answer.json()
    if answer.status_code == ACCEPTED:
        return said
    assert (answer.status_code, said["error"]) in REFUSALS, f"{method} {path}: {answer.status_code} {answer.text}"
    return None


@dataclass(frozen=True)
class Launch:
    account: str
    kind: str
    name: str
    with_password: bool

    async def happen(self, world: World) -> None:
        world.ask(self._launch(world))

    async def _launch(self, world: World) -> None:
        body = {**LAUNCH, "instance_type": self.kind, "name": self.name}
        if self.with_password:
            body["password"] = world.new_password()
        accepted = await request(world, self.account, "POST", "/instances/launch-instance", body)
        if accepted is not None:
            world.machines.append((self.account, accepted["vm_uuid"]))


@dataclass(frozen=True)
class Delete:
    machine: int

    async def happen(self, world: World) -> None:
        account, machine = world.machine(self.machine)
        world.ask(forget_answer(request(world, account, "DELETE", f"/instances/{machine}")))


@dataclass(frozen=True)
class Power:
    machine: int
    action: str

    async def happen(self, world: World) -> None:
        account, machine = world.machine(self.machine)
        world.ask(forget_answer(request(world, account, "POST", f"/instances/{machine}/{self.action}")))


@dataclass(frozen=True)
class Rename:
    machine: int
    name: str

    async def happen(self, world: World) -> None:
        account, machine = world.machine(self.machine)
        body = {"name": self.name}
        world.ask(forget_answer(request(world, account, "PUT", f"/instances/{machine}/rename", body)))


@dataclass(frozen=True)
class GuestStopsByItself:
    machine: int

    async def happen(self, world: World) -> None:
        vmid = await world.cloud.one("select vmid from instances where id = %s", world.machine(self.machine)[1])
        if vmid is not None:
            await world.cloud.hypervisor.stop(vmid)


@dataclass(frozen=True)
class GuestsHang:
    async def happen(self, world: World) -> None:
        world.cloud.hypervisor.behaviour.agent_answers = False


@dataclass(frozen=True)
class NodeBreaks:
    kind: Kind
    call: tuple[str, str]
    nth: int
    times: int

    async def happen(self, world: World) -> None:
        fault = Fault(
            self.kind, *self.call, nth=self.nth, times=self.times, seconds=0.05, message="the disk is on fire"
        )
        world.cloud.node.faults.add(fault)


@dataclass(frozen=True)
class NodeGoesAway:
    async def happen(self, world: World) -> None:
        world.cloud.node.faults.offline = True


@dataclass(frozen=True)
class NodeComesBack:
    async def happen(self, world: World) -> None:
        world.cloud.node.faults.offline = False


@dataclass(frozen=True)
class WorkerRestarts:
    async def happen(self, world: World) -> None:
        await world.stop_worker()
        world.start_worker()


@dataclass(frozen=True)
class WorkerIsKilled:
    async def happen(self, world: World) -> None:
        await world.kill_worker()
        world.start_worker()


@dataclass(frozen=True)
class TimePasses:
    """Until every task has ended, or for some time."""

    milliseconds: int

    async def happen(self, world: World) -> None:
        with contextlib.suppress(TimeoutError):
            await eventually(world.is_calm, self.milliseconds / 1000)


async def forget_answer(asking: Any) -> None:
    await asking


def a_launch(chance: Random) -> Command:
    return Launch(chance.choice(ACCOUNTS), chance.choice(TYPES), chance.choice(NAMES), chance.random() < 0.5)


def a_wait(chance: Random) -> Command:
    return TimePasses(chance.choice((1, 30, 100, 1000, 1000, 1000)))


def a_fault(chance: Random) -> Command:
    """Once is got over; nine times is more than anybody tries."""
    starts_a_task = chance.random() < 0.6
    kind = chance.choice(KINDS + TASK_KINDS if starts_a_task else KINDS)
    call = chance.choice(STARTING_CALLS if starts_a_task else CALLS)
    return NodeBreaks(kind, call, chance.choice((1, 1, 2, 3)), chance.choice((1, 9)))


def an_accident(chance: Random) -> Command:
    return chance.choice((GuestsHang(), NodeGoesAway(), NodeComesBack(), WorkerRestarts(), WorkerIsKilled()))


# What may happen, and how often.
WEIGHTS: dict[Callable[[Random], Command], int] = {
    a_wait: 7,
    a_launch: 4,
    a_fault: 5,
    lambda chance: Power(chance.randrange(4), chance.choice(ACTIONS)): 5,
    an_accident: 2,
    lambda chance: Delete(chance.randrange(4)): 2,
    lambda chance: Rename(chance.randrange(4), chance.choice(NAMES)): 1,
    lambda chance: GuestStopsByItself(chance.randrange(4)): 1,
}


def history_of(seed: int) -> list[Command]:
    """A dozen commands, the first of them a launch: most of what may happen needs a machine to happen to."""
    chance = Random(seed)  # noqa: S311
    makers = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=chance.randrange(10, 16))
    return [a_launch(chance), *(make(chance) for make in makers)]


# Left to itself, Hypothesis begins with histories that are much alike.
HISTORIES = st.integers(0, 2**63).map(history_of)
