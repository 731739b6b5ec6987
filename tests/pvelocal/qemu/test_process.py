"""Finding processes and waiting for them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvelocal.qemu.process import Process, find_process


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "pid"


@pytest.fixture
def sleeper(pid_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a pid file, as QEMU has one; it runs its own program by now."""
    program: list[str | Path] = [sys.executable, "-c", "print(flush=True); input()", "-pidfile", pid_file]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        pid_file.write_text(f"{child.pid}\n")
        yield child
        child.kill()


def found(pid_file: Path) -> Process:
    process = find_process(pid_file)
    assert process is not None
    return process


async def test_is_found_and_measured(pid_file: Path, sleeper: subprocess.Popen[bytes]) -> None:
    process = found(pid_file)
    assert process.pid == sleeper.pid
    assert process.alive
    assert process.uptime_seconds < 60
    assert process.resident_bytes > 0
    assert not await process.ended(0.01)


async def test_its_end_is_seen_though_nobody_waited_for_it(pid_file: Path, sleeper: subprocess.Popen[bytes]) -> None:
    process = found(pid_file)
    waiting = asyncio.create_task(process.ended(30))
    process.kill()
    assert await waiting
    assert not process.alive
    assert find_process(pid_file) is None


async def test_nothing_is_left_of_it(pid_file: Path, sleeper: subprocess.Popen[bytes]) -> None:
    process = found(pid_file)
    sleeper.communicate(b"\n")
    assert await process.ended(30)
    process.kill()
    assert (process.cpu_seconds, process.resident_bytes) == (0.0, 0)


def test_a_number_used_again_is_somebody_else(pid_file: Path) -> None:
    pid_file.write_text(str(os.getpid()))
    assert find_process(pid_file) is None


@pytest.mark.parametrize("text", ["", "no number", "999999999"])
def test_a_useless_pid_file(pid_file: Path, text: str) -> None:
    assert find_process(pid_file) is None
    pid_file.write_text(text)
    assert find_process(pid_file) is None


def test_a_later_process_with_the_number_is_left_alone() -> None:
    stranger = Process(os.getpid(), start_ticks=1)
    assert not stranger.alive
    stranger.kill()
