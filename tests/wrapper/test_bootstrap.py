import fcntl
import importlib.util
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bluelobster import bootstrap
from bluelobster.system_packages import CannotInstall
from wrapper.checkouts import Checkout, clone

pytestmark = pytest.mark.long


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout that was never run, in which installing is cheap."""
    checkout = clone(tmp_path / "checkout")
    checkout.install_cheaply()
    monkeypatch.setitem(sysconfig.get_config_vars(), "WHEEL_PKG_DIR", str(checkout.wheels))
    return checkout


def test_it_makes_an_environment_and_then_leaves_it(new: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main([str(new.root), "dev"]) == 0
    assert "installed in" in capsys.readouterr().err
    assert bootstrap.is_current(new.root, ["run", "dev"])
    assert bootstrap.main([str(new.root), "run"]) == 0
    assert capsys.readouterr().err == ""


def test_a_failure_is_explained(new: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    new.require("run", "1", honest=False)
    assert bootstrap.main([str(new.root), "run"]) == 1
    assert "installing Python packages failed" in capsys.readouterr().err
    assert not bootstrap.is_current(new.root, ["run"])


def test_an_interruption_is_not_a_crash(
    new: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "bootstrap", interrupted)
    assert bootstrap.main([str(new.root), "run"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_python_without_venv_gets_its_package(
    new: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted: list[str] = []

    def refuse(names: Sequence[str], say: Callable[[str], None]) -> None:
        wanted.extend(names)
        raise CannotInstall("needs root", "sudo apt-get install it")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(bootstrap, "install_packages", refuse)
    assert bootstrap.main([str(new.root), "run"]) == 1
    assert wanted == [f"python3.{sys.version_info.minor}-venv"]
    assert "sudo apt-get install it" in capsys.readouterr().err


def test_a_second_run_waits_for_the_first(new: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    first = os.open(new.root, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    waiting = threading.Event()
    made: list[Path] = []
    monkeypatch.setattr(bootstrap, "say", lambda line: waiting.set())
    monkeypatch.setattr(bootstrap, "_make", lambda checkout, purposes, lock: made.append(checkout))
    second = threading.Thread(target=bootstrap.bootstrap, args=(new.root, "run"))
    second.start()
    assert waiting.wait(20)
    assert made == []
    os.close(first)
    second.join(20)
    assert made == [new.root]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_root_installs_in_somebodys_checkout_is_theirs(new: Checkout) -> None:
    os.chown(new.root, 4711, 4711)
    assert bootstrap.main([str(new.root), "run"]) == 0
    owners = {path.lstat().st_uid for path in (new.root / ".venv").rglob("*")}
    assert owners == {4711}


def test_where_nothing_may_be_written_it_says_so(
    new: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert bootstrap.main([str(new.root), "run"]) == 1
    assert "you may not write there" in capsys.readouterr().err
