"""What may happen in a cloud: each a line that can be read in a failing history."""

import contextlib
from dataclasses import dataclass
from typing import Any, Protocol

from hypothesis import strategies as st

from cloud import LAUNCH, eventually
from property.world import World
from pvelocal.faults import Fault, Kind

ACCOUNTS = ("customer", "stranger")
NAMES = ("web", "data", "gpu-box")
TYPES = ("v1_cpu_small", "v1_cpu_medium", "gpu_1x_a4000", "gpu_2x_a4000")
ACTIONS = ("reboot", "shutdown", "force-shutdown", "power-on", "power-cycle")
KINDS: tuple[Kind, ...] = (
    "delay",
    "error",
    "drop-before",
    "drop-after",
    "task-fails",
    "task-fails-after",
    "task-hangs",
)
# Every call that operations make, by method and path.
CALLS = (
    ("*", ""),
    ("GET", r"/qemu/\d+/config$"),
    ("PUT", r"/qemu/\d+/config$"),
    ("POST", r"/qemu$"),
    ("GET", r"/tasks/UPID:[^/]+/status$"),
    ("PUT", r"/qemu/\d+/resize$"),
    ("GET", r"/qemu/\d+/status/current$"),
    ("POST", r"/status/start$"),
    ("POST", r"/status/stop$"),
    ("POST", r"/status/shutdown$"),
    ("POST", r"/status/reset$"),
    ("POST", r"/agent/ping$"),
    ("GET", r"/tasks$"),
    ("GET", r"/cluster/resources$"),
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


NUMBERS = st.integers(0, 4)
LAUNCHES = st.builds(Launch, st.sampled_from(ACCOUNTS), st.sampled_from(TYPES), st.sampled_from(NAMES), st.booleans())
WAITS = st.builds(TimePasses, st.sampled_from((1, 10, 50, 1000, 1000, 1000)))
POWER = st.builds(Power, NUMBERS, st.sampled_from(ACTIONS))
# What stands twice happens twice as often.
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    POWER,
    WAITS,
    LAUNCHES,
    st.builds(
        NodeBreaks, st.sampled_from(KINDS), st.sampled_from(CALLS), st.integers(1, 3), st.sampled_from((1, 2, 9))
    ),
    WAITS,
    POWER,
    st.builds(Delete, NUMBERS),
    st.builds(Rename, NUMBERS, st.sampled_from(NAMES)),
    st.sampled_from((GuestsHang(), NodeGoesAway(), NodeComesBack(), WorkerRestarts(), WorkerIsKilled())),
    st.builds(GuestStopsByItself, NUMBERS),
)
# Most of what may happen needs a machine that it can happen to.
HISTORIES = st.builds(
    lambda launches, wait, commands: [*launches, *wait, *commands],
    st.lists(LAUNCHES, min_size=1, max_size=3),
    st.sampled_from(([], [TimePasses(1000)], [TimePasses(1000)])),
    st.lists(COMMANDS, min_size=6, max_size=14),
)
