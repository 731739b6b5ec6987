"""Tests in several processes: whatever becomes of one of them, nothing is passed over in silence."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.local_cloud import eventually

CONFTEST = """
import pytest
from side_by_side import Run, portions

@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    Run(session, portions(session.items, [("test_first", "test_second")], lambda item: False)).go_on(2)
    return True
"""
PASSES = """
def test_passes():
    pass
"""
FAILS_AND_SKIPS = """
import pytest

def test_fails():
    print("what it printed")
    assert 1 == 2

def test_skips():
    pytest.skip("why")
"""
LEAVES_A_NOTE = """
import os

def test_leaves():
    os.environ["NOTE"] = "found"
"""
FINDS_THE_NOTE = """
import os

def test_finds():
    assert os.environ["NOTE"] == "found"
"""
DIES = """
import os

def test_before():
    pass

def test_dies():
    os._exit(3)

def test_after():
    pass
"""
CANNOT_END = """
import pytest

@pytest.fixture(scope="session", autouse=True)
def lasting():
    yield
    raise RuntimeError("cannot end")

def test_passes():
    pass
"""
WAITS = """
import pytest, time

@pytest.fixture
def place():
    open("began", "w").close()
    yield
    open("torn-down", "w").close()

def test_waits(place):
    time.sleep(60)
"""
SECONDS = 60.0


@dataclass
class Ended:
    status: int
    output: str


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts pytest with options on files of tests."""

    def start(*options: str, **files: str) -> subprocess.Popen[str]:
        (tmp_path / "conftest.py").write_text(CONFTEST)
        for name, text in files.items():
            (tmp_path / f"test_{name}.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", *options]
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "COLUMNS": "200",
        }
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    return start


def end_of(process: subprocess.Popen[str]) -> Ended:
    output, _ = process.communicate(timeout=SECONDS)
    return Ended(process.returncode, output)


def test_each_is_told_of_with_what_it_printed(start: Start) -> None:
    ended = end_of(start(one=PASSES, other=FAILS_AND_SKIPS))
    assert ended.status == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed, 1 skipped in" in ended.output
    assert "what it printed" in ended.output
    assert "assert 1 == 2" in ended.output


def test_what_belongs_together_is_done_by_one_in_that_order(start: Start) -> None:
    ended = end_of(start(second=FINDS_THE_NOTE, first=LEAVES_A_NOTE))
    assert ended.status == pytest.ExitCode.OK, ended.output


def test_one_that_dies_fails_and_so_does_what_nobody_ran(start: Start) -> None:
    ended = end_of(start(some=DIES, other=PASSES))
    assert ended.status == pytest.ExitCode.TESTS_FAILED
    assert "2 failed, 2 passed in" in ended.output
    assert "FAILED test_some.py::test_dies - Meanwhile its process ended with 3." in ended.output
    assert "FAILED test_some.py::test_after - Nobody ran it" in ended.output


def test_the_first_failure_may_be_the_last(start: Start) -> None:
    ended = end_of(start("-x", some=FAILS_AND_SKIPS))
    assert ended.status == pytest.ExitCode.TESTS_FAILED
    assert "stopping after 1 failures" in ended.output
    assert "skipped" not in ended.output


def test_what_cannot_be_torn_down_fails_the_run(start: Start) -> None:
    ended = end_of(start(some=CANNOT_END))
    assert ended.status == pytest.ExitCode.TESTS_FAILED
    assert "RuntimeError: cannot end" in ended.output


def test_ctrl_c_has_each_tear_down_what_it_set_up(start: Start, tmp_path: Path) -> None:
    process = start(some=WAITS)
    eventually((tmp_path / "began").exists, SECONDS)
    process.send_signal(signal.SIGINT)
    ended = end_of(process)
    assert ended.status == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in ended.output
    assert (tmp_path / "torn-down").exists()
