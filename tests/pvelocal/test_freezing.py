"""File systems that are frozen are thawed, whatever happens meanwhile."""

import asyncio

import pytest

from pvelocal import freezing
from pvelocal.freezing import Thaws, frozen
from pvelocal.hypervisor import AgentUnavailable, HypervisorError


class Guest:
    """An agent that fails as often as it is told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failing: dict[str, int] = {}
        self.frozen = self.alive = True
        self.log: list[str] = []
        self.thaws = Thaws()
        self.done = asyncio.Event()

    async def ask(self, command: str) -> object:
        self.calls.append(command)
        await asyncio.sleep(0)
        if self.failing.get(command, 0):
            self.failing[command] -= 1
            raise AgentUnavailable("QEMU guest agent is not running")
        if "fsfreeze" in command:
            self.frozen = command.endswith("freeze-freeze")
        return 1

    async def runs(self) -> bool:
        return self.alive

    def thaw(self) -> asyncio.Task[None]:
        return self.thaws.begin(self.ask, self.runs, self.done.set)

    async def freeze(self, fails: Exception | None = None, wait: asyncio.Event | None = None) -> None:
        async with frozen(self.ask, self.thaw, self.log.append):
            if wait is not None:
                await wait.wait()
            if fails is not None:
                raise fails


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freezing, "_BETWEEN_SECONDS", 0.001)
    monkeypatch.setattr(freezing, "_PATIENCE_SECONDS", 0.02)


async def test_frozen_for_the_block() -> None:
    guest = Guest()
    await guest.freeze()
    assert guest.calls == ["guest-ping", "guest-fsfreeze-freeze", "guest-fsfreeze-thaw"]
    assert (guest.frozen, guest.done.is_set()) == (False, True)
    assert guest.log == ["INFO: issuing guest-agent 'fs-freeze' command", "INFO: issuing guest-agent 'fs-thaw' command"]


async def test_thawed_after_an_error() -> None:
    guest = Guest()
    with pytest.raises(HypervisorError, match="QEMU refused"):
        await guest.freeze(HypervisorError("QEMU refused"))
    assert not guest.frozen


async def test_thawed_when_the_freeze_itself_may_have_failed() -> None:
    guest = Guest()
    guest.failing["guest-fsfreeze-freeze"] = 1
    await guest.freeze()
    assert not guest.frozen
    assert "ERROR: QEMU guest agent is not running" in guest.log


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_thawed_when_cancelled(cancellations: int) -> None:
    guest = Guest()
    job = asyncio.create_task(guest.freeze(wait=asyncio.Event()))
    while "guest-fsfreeze-freeze" not in guest.calls:
        await asyncio.sleep(0)
    for _ in range(cancellations):
        job.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await job
    assert not guest.frozen


@pytest.mark.usefixtures("quick")
async def test_an_agent_that_is_lost_is_asked_until_it_answers() -> None:
    guest = Guest()
    guest.failing["guest-fsfreeze-thaw"] = 50
    await guest.freeze()
    assert guest.log[-1].startswith("ERROR: the guest agent does not answer")
    assert guest.frozen
    async with asyncio.timeout(10):
        await guest.done.wait()
    assert not guest.frozen


@pytest.mark.usefixtures("quick")
async def test_a_guest_that_ends_needs_no_thaw() -> None:
    guest = Guest()
    guest.failing["guest-fsfreeze-thaw"] = 1_000_000
    await guest.freeze()
    guest.alive = False
    async with asyncio.timeout(10):
        await guest.done.wait()
    assert guest.frozen


@pytest.mark.usefixtures("quick")
async def test_a_node_that_ends_leaves_the_rest_to_a_later_one() -> None:
    guest = Guest()
    guest.failing["guest-fsfreeze-thaw"] = 1_000_000
    await guest.freeze()
    await guest.thaws.close()
    assert not guest.done.is_set()


async def test_not_frozen_without_an_agent() -> None:
    guest = Guest()
    guest.failing["guest-ping"] = 1
    await guest.freeze()
    assert guest.calls == ["guest-ping"]
    assert "skipping guest-agent 'fs-freeze'" in guest.log[0]
