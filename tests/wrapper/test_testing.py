import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from bluelobster import testing
from bluelobster.system_packages import CannotInstall
from bluelobster.testing import Stage

PASSES = (sys.executable, "-c", "print('fine')")
FAILS = (sys.executable, "-c", "raise SystemExit('what went wrong')")


@pytest.fixture(autouse=True)
def complete_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "ensure_packages", lambda packages, say: None)
    monkeypatch.delenv("CI", raising=False)


def incomplete(packages: object, say: object) -> None:
    raise CannotInstall("QEMU not installed", "sudo apt-get install it")


def stages_are(
    monkeypatch: pytest.MonkeyPatch,
    checks: Sequence[Stage],
    tests: Sequence[Stage] = (),
    types: tuple[str, ...] = PASSES,
) -> None:
    monkeypatch.setattr(testing, "types", lambda: Stage("types", (types,)))
    monkeypatch.setattr(testing, "checks", lambda _real_guests: checks)
    monkeypatch.setattr(testing, "tests", lambda _real_guests: tests)


def test_all_stages_run_and_their_times_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stages_are(monkeypatch, [Stage("one", (PASSES, PASSES)), Stage("two", (PASSES,))], [Stage("three", (PASSES,))])
    answer = CliRunner().invoke(testing.command)
    assert answer.exit_code == 0
    told = [line.split()[:2] for line in answer.output.splitlines()[-5:-1]]
    assert told == [["one", "passed"], ["two", "passed"], ["three", "passed"], ["types", "passed"]]


def test_a_failed_stage_fails_the_whole_but_not_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    touch = (sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')")
    never = (sys.executable, "-c", f"open({str(tmp_path / 'never')!r}, 'w')")
    stages_are(monkeypatch, [Stage("one", (FAILS, never)), Stage("other", (PASSES,))], [Stage("two", (touch,))])
    answer = CliRunner().invoke(testing.command)
    assert answer.exit_code == 1
    assert "one                    FAILED" in answer.output
    assert "what went wrong" in answer.output
    assert "fine" not in answer.output
    assert (tmp_path / "ran").exists()
    assert not (tmp_path / "never").exists()


def test_types_are_checked_beside_the_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "here")
    checking = ("sh", "-c", f"read answer <{tmp_path}/here; echo what is wrong; exit 1")
    stages_are(monkeypatch, [], [Stage("tests", (("sh", "-c", f"echo >{tmp_path}/here"),))], checking)
    answer = CliRunner().invoke(testing.command)
    assert answer.exit_code == 1
    assert "what is wrong" in answer.output
    assert "types                  FAILED" in answer.output.splitlines()[-2]


def test_checks_go_on_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for name in ("here", "there"):
        os.mkfifo(tmp_path / name)
    stages_are(
        monkeypatch,
        [Stage("writes", (("sh", "-c", f"echo >{tmp_path}/here; read answer <{tmp_path}/there"),)),
         Stage("reads", (("sh", "-c", f"read answer <{tmp_path}/here; echo >{tmp_path}/there"),))],
    )  # fmt: skip
    assert CliRunner().invoke(testing.command).exit_code == 0


def test_arguments_are_pytests_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, ...]] = []

    def run(arguments: tuple[str, ...]) -> int:
        ran.append(arguments)
        return 5

    monkeypatch.setattr(testing, "_run", run)
    answer = CliRunner().invoke(testing.command, ["tests/flow", "-k", "x and y", "--lf", "-x"])
    assert answer.exit_code == 5
    [(_, *arguments)] = ran
    assert arguments == ["-m", "pytest", "tests/flow", "-k", "x and y", "--lf", "-x"]


def test_missing_system_packages_are_said_plainly_and_fail_only_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "ensure_packages", incomplete)
    stages_are(monkeypatch, [Stage("one", (PASSES,))])
    answer = CliRunner().invoke(testing.command)
    assert answer.exit_code == 0
    assert "Run: sudo apt-get install it" in answer.output
    assert "Not everything was tested" in answer.output
    monkeypatch.setenv("CI", "true")
    assert CliRunner().invoke(testing.command).exit_code == 1


def test_stages_run_in_the_checkout(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir("/")
    where = (sys.executable, "-c", "import os; print(os.getcwd())")
    assert testing._run(where) == 0
    assert capfd.readouterr().out.strip() == str(testing.CHECKOUT)


def test_bytecode_is_kept_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert testing._run((sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)")) == 0
    assert capfd.readouterr().out.strip() == "False"
