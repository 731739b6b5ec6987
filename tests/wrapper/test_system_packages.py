import os
from pathlib import Path

import pytest

from bluelobster import system_packages
from bluelobster.system_packages import CannotInstall, SystemPackage, ensure_packages, missing_packages

TOOL = SystemPackage("some-tools", "some-tool")
ORDINARY_USER = 1000


class Machine:
    """A machine whose only programs are scripts in one folder; they write down how they were called."""

    def __init__(self, root: Path) -> None:
        self.programs = root / "bin"
        self.programs.mkdir()
        self.lists = root / "lists"
        self.lists.mkdir()
        self._calls = root / "calls"
        for name in ("cat", "env", "rm", "touch"):
            (self.programs / name).symlink_to(f"/usr/bin/{name}")

    def has(self, name: str, script: str = "") -> None:
        path = self.programs / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >>"{self._calls}"\n{script}\n')
        path.chmod(0o755)

    def has_apt_with(self, package: SystemPackage, before: str = "") -> None:
        made = f'"{self.programs / package.program}"'
        install = f'case "$*" in *{package.name}*) cat /bin/true >{made}; chmod +x {made} ;; esac'
        (self.programs / "chmod").symlink_to("/usr/bin/chmod")
        self.has("apt-get", f"{before}\n{install}")

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.programs))
    monkeypatch.setattr(system_packages, "_LISTS", machine.lists)
    monkeypatch.setattr(system_packages, "_LOCK_SECONDS", 0.05)
    monkeypatch.setattr(system_packages, "_LOCK_POLL_SECONDS", 0.001)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (machine.lists / "archive_Packages.lz4").touch()
    return machine


def test_nothing_is_said_or_run_when_all_is_there(machine: Machine) -> None:
    machine.has("some-tool")
    said: list[str] = []
    ensure_packages([TOOL], said.append)
    assert (said, machine.calls) == ([], [])
    assert missing_packages([TOOL, SystemPackage("other", "other-tool")]) == (SystemPackage("other", "other-tool"),)


def test_root_installs_without_a_question(machine: Machine) -> None:
    machine.has_apt_with(TOOL)
    said: list[str] = []
    ensure_packages([TOOL], said.append)
    assert said == ["installing some-tools with apt (one time)"]
    [call] = machine.calls
    assert call.startswith("apt-get install --yes --no-install-recommends some-tools")


def test_lists_are_fetched_when_there_are_none(machine: Machine) -> None:
    (machine.lists / "archive_Packages.lz4").unlink()
    machine.has_apt_with(TOOL)
    ensure_packages([TOOL], print)
    assert [call.split()[1] for call in machine.calls] == ["update", "install"]


def test_lists_that_are_out_of_date_are_fetched_anew(machine: Machine) -> None:
    stale = machine.lists / "stale"
    stale.touch()
    machine.has_apt_with(TOOL, f'case $1 in update) rm -f "{stale}" ;; *) [ -e "{stale}" ] && exit 100 ;; esac')
    ensure_packages([TOOL], print)
    assert [call.split()[1] for call in machine.calls] == ["install", "update", "install"]


def test_somebody_else_who_uses_apt_is_waited_for(machine: Machine) -> None:
    busy = machine.lists / "busy"
    busy.touch()
    said = "E: Could not get lock /var/lib/apt/lists/lock"
    machine.has_apt_with(TOOL, f'[ -e "{busy}" ] && {{ rm "{busy}"; echo "{said}"; exit 100; }}')
    ensure_packages([TOOL], print)
    assert [call.split()[1] for call in machine.calls] == ["install", "install"]


def test_what_apt_said_is_shown_when_it_fails(machine: Machine) -> None:
    machine.has("apt-get", "echo 'E: Unable to locate package some-tools'; exit 100")
    with pytest.raises(CannotInstall, match=r"Unable to locate package(.|\n)*Run: sudo apt-get install"):
        ensure_packages([TOOL], print)


def test_waiting_for_apt_has_an_end(machine: Machine) -> None:
    machine.has("apt-get", "echo 'E: Could not get lock'; exit 100")
    with pytest.raises(CannotInstall, match="Could not get lock"):
        ensure_packages([TOOL], print)


def test_an_ordinary_user_with_sudo_installs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: ORDINARY_USER)
    machine.has("sudo", 'shift; [ "$1" = true ] || exec "$@"')
    machine.has_apt_with(TOOL)
    ensure_packages([TOOL], print)
    assert [call.split()[0] for call in machine.calls] == ["sudo", "sudo", "apt-get"]
    assert all("--non-interactive" in call for call in machine.calls[:2])


@pytest.mark.parametrize("sudo", [None, "echo 'sudo: a password is required' >&2; exit 1"])
def test_an_ordinary_user_without_it_is_given_the_command(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, sudo: str | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: ORDINARY_USER)
    machine.has("apt-get")
    if sudo:
        machine.has("sudo", sudo)
    (machine.lists / "archive_Packages.lz4").unlink()
    with pytest.raises(CannotInstall) as refused:
        ensure_packages([TOOL], print)
    assert refused.value.command == (
        "sudo apt-get update && sudo apt-get install --yes --no-install-recommends some-tools"
    )
    assert refused.value.command in str(refused.value)


def test_a_machine_without_apt_is_told_the_names(machine: Machine) -> None:
    with pytest.raises(
        CannotInstall, match=r"^some-tools \(Debian's names\) not installed, and this machine has no apt$"
    ):
        ensure_packages([TOOL], print)


def test_an_installation_that_brings_nothing_is_not_believed(machine: Machine) -> None:
    machine.has("apt-get")
    with pytest.raises(CannotInstall, match="some-tool not found after the installation"):
        ensure_packages([TOOL], print)
