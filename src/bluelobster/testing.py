"""The `test` command: everything that is checked before a change is taken, on one screen."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

from bluelobster.system_packages import (
    BOOTABLE_ISO,
    CONSOLE_TESTS,
    QEMU,
    REDIS,
    SSH,
    UEFI,
    CannotInstall,
    SystemPackage,
    ensure_packages,
)

CHECKOUT = Path(__file__).parents[2]

_PROGRAMS = Path(sys.executable).parent
_PYTHON = str(_PROGRAMS / "python")
_PYTEST = (_PYTHON, "-m", "pytest")


@dataclass(frozen=True)
class Stage:
    """One check: commands that all end with 0 when it passes."""

    name: str
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Outcome:
    """How a stage ended, and after how many seconds."""

    name: str
    passed: bool
    seconds: float

    def __str__(self) -> str:
        return f"{self.name:<22} {'passed' if self.passed else 'FAILED'} {self.seconds:8.1f} s"


_SLIPCOVER = (_PYTHON, "-m", "slipcover")
_COVERED = str(CHECKOUT / ".venv" / "covered.json")
_LINES_PERCENT = "90"
_IMAGE = ("-m", "pvelocal.images", "build", "TINY-LINUX", "--out", str(CHECKOUT / ".venv" / "tiny-linux.qcow2"))
_PROCESSES = ("--processes", "4")


def types() -> Stage:
    """What takes as long as all other checks, on one processor: it goes on beside them, and beside the tests."""
    return Stage("types", ((_PYTHON, "-m", "mypy"),))


def checks(real_guests: bool) -> tuple[Stage, ...]:
    """What goes on side by side, longest first. The image of the guests is built before the tests, so that none needs
    the network."""
    image = (Stage("guest image", ((_PYTHON, *_IMAGE),)),) if real_guests else ()
    return (
        *image,
        Stage("architecture", ((_PYTHON, str(_PROGRAMS / "lint-imports")),)),
        Stage("style", ((_PYTHON, "-m", "ruff", "check", "--quiet"),)),
        Stage("format", ((_PYTHON, "-m", "ruff", "format", "--check", "--quiet"),)),
    )


def tests(real_guests: bool) -> tuple[Stage, ...]:
    """What comes after the checks, one after the other."""
    selected = () if real_guests else ("-m", "not e2e")
    tests = (*_SLIPCOVER, "--json", "--out", _COVERED, "-m", "pytest", *_PROCESSES, *selected)
    enough = (*_SLIPCOVER, "--merge", _COVERED, "--out", _COVERED, "--fail-under", _LINES_PERCENT)
    return (Stage("tests", (tests,)), Stage("coverage", (enough,)))


@click.command(
    "test",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    options_metavar="",
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGUMENTS]")
def command(pytest_arguments: tuple[str, ...]) -> None:
    """Check the code: style, types, architecture, all tests and their coverage.

    With arguments, only pytest runs, with these arguments; paths are relative to the checkout.
    """
    real_guests = _provided("Tests with real guests are", (*QEMU, *SSH, *REDIS, *BOOTABLE_ISO, *UEFI))
    complete = _provided("Tests of the console in a browser and a VNC viewer are", CONSOLE_TESTS) and real_guests
    if pytest_arguments:
        sys.exit(_run((*_PYTEST, *pytest_arguments)))
    started = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        typed = beside.submit(_quietly, types())
        outcomes = [*_side_by_side(checks(real_guests)), *map(_one, tests(real_guests))]
        outcomes.append(_told(*typed.result()))
    click.echo()
    for outcome in outcomes:
        click.secho(str(outcome), fg=None if outcome.passed else "red")
    click.echo(f"{'all':<22} {'':6} {time.monotonic() - started:8.1f} s")
    if not complete:
        click.secho("Not everything was tested: system packages are missing (see above).", fg="yellow")
    # Only where nobody reads the notice does a missing package have to fail.
    sys.exit(not (all(outcome.passed for outcome in outcomes) and (complete or "CI" not in os.environ)))


def _provided(tests: str, packages: tuple[SystemPackage, ...]) -> bool:
    """Whether what these tests need of the system is there, or could be installed."""
    try:
        ensure_packages(packages, lambda line: click.secho(line, err=True))
    except CannotInstall as error:
        click.secho(f"{tests} skipped: {error}", fg="yellow", err=True)
        return False
    return True


def _side_by_side(stages: Sequence[Stage]) -> list[Outcome]:
    """As many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(lambda stage: _told(*_quietly(stage)), stages))


def _quietly(stage: Stage) -> tuple[Outcome, str]:
    """How it ended, and what it printed."""
    with tempfile.TemporaryFile() as output:
        outcome = _outcome(stage, output)
        output.seek(0)
        return outcome, output.read().decode(errors="replace")


def _told(outcome: Outcome, output: str) -> Outcome:
    """Only what one that fails has printed is shown."""
    click.secho(f"── {outcome}", bold=True, fg=None if outcome.passed else "red")
    if not outcome.passed:
        click.echo(output)
    return outcome


def _one(stage: Stage) -> Outcome:
    click.secho(f"── {stage.name}", bold=True)
    return _outcome(stage)


def _outcome(stage: Stage, output: IO[bytes] | None = None) -> Outcome:
    started = time.monotonic()
    passed = all(_run(arguments, output) == 0 for arguments in stage.commands)
    return Outcome(stage.name, passed, time.monotonic() - started)


def _run(arguments: tuple[str, ...], output: IO[bytes] | None = None) -> int:
    """Runs in the checkout. Ctrl-C reaches the program as well, which ends by itself, and nothing comes after it."""
    # Dozens of processes are started, and without bytecode each of them compiles everything anew.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(arguments, cwd=CHECKOUT, env=environment, stdout=output, stderr=output) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise
