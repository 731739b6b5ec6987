import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wrapper.checkouts import Checkout, clone

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def installed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the real pip."""
    checkout = clone(tmp_path_factory.mktemp("cloned") / "blue lobster")
    answer = checkout.run("launch", "--name", "two words")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["arguments"] == ["launch", "--name", "two words"]
    [first, last] = answer.stderr.splitlines()
    assert "installing Python packages" in first
    assert "installed in" in last
    return checkout.root


@pytest.fixture
def installed(installed_once: Path, tmp_path: Path) -> Checkout:
    """A checkout that was run before, and moved since."""
    shutil.copytree(installed_once, tmp_path / "moved here", symlinks=True)
    return Checkout(tmp_path / "moved here")


@pytest.fixture
def cheap(installed: Checkout) -> Checkout:
    """One that installs cheaply what it installs now."""
    installed.install_cheaply()
    return installed


@pytest.fixture
def new(tmp_path: Path) -> Checkout:
    checkout = clone(tmp_path / "blue lobster")
    checkout.install_cheaply()
    return checkout


@contextlib.contextmanager
def held(checkout: Checkout) -> Iterator[subprocess.Popen[str]]:
    """A run whose installer is at work, and gets no further before the end of the block."""
    pipe = checkout.root / "hold"
    os.mkfifo(pipe)
    run = checkout.start("x")
    other_end = opened_by_both(pipe, run)
    pipe.unlink()
    try:
        yield run
    finally:
        os.close(other_end)


def opened_by_both(pipe: Path, reader: subprocess.Popen[str]) -> int:
    """Our end of a pipe, once the reader has its own."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        assert reader.poll() is None, "ended early"
        assert time.monotonic() < deadline, f"{pipe} was never read"
        select.select([], [], [], 0.002)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def venv_id(checkout: Checkout) -> int:
    return (checkout.root / ".venv").stat().st_ino


def leftovers(checkout: Checkout) -> list[str]:
    return sorted(entry.name for entry in checkout.root.glob(".venv*"))


def test_the_second_run_is_silent_and_installs_nothing(installed: Checkout, tmp_path: Path) -> None:
    before = venv_id(installed)
    answer = installed.run("list", cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert json.loads(answer.stdout) == {
        "arguments": ["list"],
        "tiny": "1",
        "python": str(installed.root / ".venv" / "bin" / "python"),
    }
    assert venv_id(installed) == before


def test_it_is_found_through_links_and_from_anywhere(installed: Checkout, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "direct").symlink_to(installed.wrapper)
    (tmp_path / "bin" / "relative").symlink_to("../moved here/bluelobster")
    (tmp_path / "again").symlink_to("bin/relative")
    for link in ("bin/direct", "bin/relative", "again"):
        answer = subprocess.run([tmp_path / link, "x"], capture_output=True, text=True, cwd="/")
        assert (answer.returncode, answer.stderr) == (0, ""), link


def test_modules_in_the_current_folder_are_not_taken_for_ours(installed: Checkout, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('taken')")
    assert installed.run("x", cwd=tmp_path).returncode == 0


def test_scripts_in_the_environment_work(installed_once: Path) -> None:
    answer = subprocess.run([installed_once / ".venv" / "bin" / "tiny"], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "1\n", "")


def test_help_needs_nothing_but_what_is_there(installed: Checkout) -> None:
    answer = installed.run("test", "--help")
    assert json.loads(answer.stdout)["arguments"] == ["test", "--help"]
    assert answer.stderr == ""


def test_a_changed_lock_makes_the_environment_anew(cheap: Checkout) -> None:
    assert "installing" in cheap.run("test").stderr
    assert cheap.run("test").stderr == ""
    cheap.require("run", "2")
    cheap.require("dev", "2")
    answer = cheap.run("x")
    assert json.loads(answer.stdout)["tiny"] == "2"
    assert "installing" in answer.stderr
    assert leftovers(cheap) == [".venv"]
    # What `test` once needed is kept up to date from then on.
    assert cheap.run("test").stderr == ""


def test_two_first_runs_at_once_do_not_disturb_each_other(new: Checkout) -> None:
    runs = [new.start("one"), new.start("two")]
    answers = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], answers
    assert [json.loads(out)["tiny"] for out, _ in answers] == ["1", "1"]
    assert sum("installing" in err for _, err in answers) == 1
    assert leftovers(new) == [".venv"]


def test_first_runs_that_come_to_nothing_are_in_nobodys_way(new: Checkout) -> None:
    """One is killed half way, one ends with Ctrl-C; the next one works."""
    for number in (signal.SIGKILL, signal.SIGINT):
        with held(new) as run:
            os.killpg(run.pid, number)
            _, err = run.communicate(timeout=60)
        assert run.returncode != 0
        assert "Traceback" not in err
        assert not (new.root / ".venv").exists()
    assert json.loads(new.run("x").stdout)["tiny"] == "1"
    assert leftovers(new) == [".venv"]


def test_an_installer_that_outlives_its_run_is_waited_for(new: Checkout) -> None:
    with held(new) as run:
        [bootstrap] = children(run.pid)
        os.kill(bootstrap, signal.SIGKILL)
        run.wait(60)
        second = new.start("x")
        assert second.stderr is not None
        assert "waiting for another" in second.stderr.readline()
    out, _ = second.communicate(timeout=60)
    assert json.loads(out)["tiny"] == "1"
    assert leftovers(new) == [".venv"]
    run.communicate(timeout=60)


def test_a_failed_update_keeps_the_environment(installed: Checkout) -> None:
    """What comes is not what was locked."""
    before, lock = venv_id(installed), installed.root / "requirements" / "run.lock"
    good = lock.read_text()
    installed.require("run", "2", honest=False)
    answer = installed.run("x")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "DO NOT MATCH THE HASHES" in answer.stderr
    assert venv_id(installed) == before
    lock.write_text(good)
    assert installed.run("x").stderr == ""


def test_an_environment_whose_python_is_gone_is_made_anew(cheap: Checkout) -> None:
    python = cheap.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert json.loads(cheap.run("x").stdout)["tiny"] == "1"


def test_a_python_that_does_not_run_is_passed_over(new: Checkout, tmp_path: Path) -> None:
    """As pyenv's command for a version that is there, but not selected: it is run from where it is. What runs nowhere
    but there is the system's own: it is told to look for its library where there is none."""
    taken = tmp_path / "taken"
    real = Path(os.path.realpath(sys.executable))
    for name, text in (
        ("bin/python3.13", "exit 127"),
        ("bin/python3.12", 'echo "Python 2.7"; exit 1'),
        ("pyenv/versions/3.13.9/bin/python3.13", f'touch {taken}; unset PYTHONHOME; exec {real} "$@"'),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    new.environment |= {
        "PATH": f"{tmp_path / 'bin'}:{real.parent}:/usr/bin:/bin",
        "PYENV_ROOT": str(tmp_path / "pyenv"),
        "PYTHONHOME": str(tmp_path),
    }
    new.run("x")
    assert taken.exists()
    assert (new.root / ".venv" / "run.lock").exists()


def test_the_system_s_own_is_taken_before_others(new: Checkout, tmp_path: Path) -> None:
    """Nothing is installed: it is enough to see who would."""
    would_do = "import ensurepip, shutil, ssl, venv, sys; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run(["/usr/bin/env", "/usr/bin/python3", "-c", would_do], capture_output=True).returncode:
        pytest.skip("the system has no Python that would do")
    shutil.rmtree(new.root / "requirements")
    taken, other = tmp_path / "taken", tmp_path / "bin" / "python3.13"
    other.parent.mkdir()
    other.write_text(f"#!/bin/sh\ntouch {taken}\n")
    other.chmod(0o755)
    new.environment["PATH"] = f"{other.parent}:/usr/bin:/bin"
    answer = new.run("x")
    assert answer.returncode == 1
    assert "requirements" in answer.stderr
    assert not taken.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_somebody_who_may_not_write_is_told_what_to_do(new: Checkout) -> None:
    for folder in (new.root, *new.root.parents):
        if folder.stat().st_uid == 0 and folder.is_relative_to(os.environ.get("TMPDIR", "/tmp")):  # noqa: S108
            folder.chmod(folder.stat().st_mode | 0o055)
    answer = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", new.wrapper, "x"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    assert "you may not write there" in answer.stderr
