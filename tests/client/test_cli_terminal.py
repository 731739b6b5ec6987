"""What reaches a terminal, and what a terminal gets that a pipe does not."""

import os
import pty
import select
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bluelobster_client.cli import COMMANDS
from bluelobster_client.cli.terminal import clean
from bluelobster_client.cli.words import age, price, short, size, span
from client import answers
from client.answers import HELLO, KEY, TASK
from client.fake_api import FakeApi, Reply
from client.shell import Shell, command

PRESSES = 20
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202eevil\u200b\ud800\r\n\x7f[bold]x[/bold]:smile:"


class Terminal:
    """A pseudo-terminal on which a command runs, seen from the user's side."""

    def __init__(self) -> None:
        self.mine, self.theirs = pty.openpty()
        self.shown = ""

    def read_until(self, text: str) -> None:
        """Reads what is shown until this text is."""
        while text not in self.shown:
            ready, _, _ = select.select([self.mine], [], [], 10)
            if not ready:
                raise TimeoutError(f"{text!r} was not shown in {self.shown!r}")
            self.shown += os.read(self.mine, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self.mine, text.encode())

    def press_until(self, key: str, text: str) -> None:
        """Presses a key until this text is shown: Python may miss a Ctrl-C just before it begins to read."""
        for _ in range(PRESSES):
            if text in self.shown:
                return
            self.type(key)
            while select.select([self.mine], [], [], 0.5)[0] and text not in self.shown:
                self.shown += os.read(self.mine, 4096).decode()
        raise TimeoutError(f"{text!r} was not shown in {self.shown!r}")

    def close(self) -> None:
        os.close(self.mine)
        os.close(self.theirs)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


def test_every_command_exists_and_explains_itself() -> None:
    for name, (_, help_line) in COMMANDS.items():
        found = command(name)
        assert found.name == name
        assert found.help
        assert help_line.endswith(".")


def test_clean_leaves_nothing_that_steers_a_terminal() -> None:
    assert all(character.isprintable() for character in clean(HOSTILE))
    assert clean("  Ünïcode – ok\tand\nmore ") == "Ünïcode – ok and more"
    assert "[bold]x[/bold]:smile:" in clean(HOSTILE)


@pytest.mark.parametrize(
    "name", ["list", "show", "types", "templates", "tasks", "task", "stats", "health", "rename", "failing"]
)
def test_hostile_texts_never_reach_the_terminal(api: FakeApi, shell: Shell, name: str) -> None:
    hostile = answers.instance(
        name=HOSTILE, region=HOSTILE, vm_username=None, power_status=HOSTILE, metadata={"a": HOSTILE}
    )
    template = {**answers.template(HOSTILE, HOSTILE), "display_name": HOSTILE}
    api.give("/instances", [hostile])
    api.give(f"/instances/{HELLO}", hostile)
    api.give(f"/instances/{HELLO}/stats", answers.stats(status=HOSTILE))
    api.give("/instances/available", {"data": [answers.instance_type(HOSTILE, 1, HOSTILE)]})
    api.give("/instances/templates", {"templates": [template]})
    api.give("/tasks", {"tasks": [answers.task(message=HOSTILE)]})
    api.give(f"/tasks/{TASK}", answers.task(message=HOSTILE))
    api.give("/health", {"status": HOSTILE, "components": {HOSTILE: HOSTILE}})
    api.on("PUT", f"/instances/{HELLO}/rename", Reply(body={"new_name": HOSTILE}))
    refusal = {
        "error": HOSTILE,
        "message": HOSTILE,
        "details": {HOSTILE: [HOSTILE]},
        "errors": [{"field": HOSTILE, "message": HOSTILE}],
    }
    api.on("POST", f"/instances/{HELLO}/reboot", Reply(400, refusal))
    arguments = {"show": [HELLO], "task": [TASK], "stats": [HELLO], "rename": [HELLO, "x"], "failing": [HELLO]}
    result = shell.run("reboot" if name == "failing" else name, *arguments.get(name, []))
    assert "evil" in result.output
    assert all(character.isprintable() for line in result.output.split("\n") for character in line)


def test_a_terminal_gets_a_bar_and_then_the_result(api: FakeApi, shell: Shell, terminal: Terminal) -> None:
    (shell.home / ".ssh" / "id_ed25519.pub").write_text(KEY)
    api.on("POST", "/instances/launch-instance", Reply(body=answers.launched()))
    api.give(
        f"/tasks/{TASK}", answers.task(message="Starting \x1b[31mit", progress=40), answers.task("COMPLETED", "Ready")
    )
    api.give(f"/instances/{HELLO}", answers.instance())
    running = shell.start(
        "launch", "--name", "hello", "--type", "t", "--region", "r", "--username", "ada", tty=terminal.theirs
    )
    terminal.read_until("ada@127.64.0.10")
    assert running.wait(10) == 0
    assert "━" in terminal.shown
    assert "Starting \N{REPLACEMENT CHARACTER}[31mit" in terminal.shown
    assert "hello is ready after" in terminal.shown


@pytest.mark.parametrize(
    ("answer", "code", "text", "deletions"),
    [
        ("y\r", 0, "hello is deleted.", 1),
        ("n\r", 1, "Nothing was deleted.", 0),
        ("\x03", 130, "Interrupted.", 0),
    ],
)
def test_deleting_asks_first(
    api: FakeApi, shell: Shell, terminal: Terminal, answer: str, code: int, text: str, deletions: int
) -> None:
    api.give("/instances", [answers.instance()])
    api.on("DELETE", f"/instances/{HELLO}", Reply(body=answers.accepted("success")))
    running = shell.start("delete", "hello", tty=terminal.theirs)
    terminal.read_until("Delete hello (0d1e7a52) and all its data? [y/N]")
    terminal.press_until(answer, text)
    assert running.wait(10) == code
    assert len(api.requests("DELETE", f"/instances/{HELLO}")) == deletions


def test_watching_stats_on_a_terminal_stays_in_place(api: FakeApi, shell: Shell, terminal: Terminal) -> None:
    api.give(f"/instances/{HELLO}", answers.instance())
    api.give(f"/instances/{HELLO}/stats", answers.stats())
    running = shell.start("stats", HELLO, "--watch", "--interval", "0.1", tty=terminal.theirs)
    api.wait_for("GET", f"/instances/{HELLO}/stats", 3)
    terminal.read_until("\x1b[1A")
    terminal.type("\x03")
    assert running.wait(10) == 130
    assert "25.5 % of 8 vCPUs" in terminal.shown


def test_interrupting_a_prompt(api: FakeApi, shell: Shell, terminal: Terminal) -> None:
    running = shell.start("launch", "--password", tty=terminal.theirs)
    terminal.read_until("Password:")
    terminal.press_until("\x03", "Interrupted.")
    assert running.wait(10) == 130
    assert api.seen == []


def test_a_terminal_that_knows_few_characters(api: FakeApi, shell: Shell) -> None:
    api.give("/instances", [answers.instance(name="größe")])
    running = shell.start("list", encoding="ascii")
    output, errors = running.communicate(timeout=10)
    assert (running.returncode, errors) == (0, "")
    assert "gr??e" in output


def test_ssh_becomes_the_ssh_client(api: FakeApi, shell: Shell, tmp_path: Path) -> None:
    api.give("/instances", [answers.instance()])
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ssh").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 7\n')
    (tools / "ssh").chmod(0o755)
    key = tmp_path / "key"
    key.touch()
    running = shell.start("ssh", "-i", str(key), "hello", "-L", "1:h:2", "uname", "-a", path=f"{tools}:/bin")
    output, _ = running.communicate(timeout=10)
    assert running.returncode == 7
    assert output.splitlines() == [
        *("-i", str(key), "-p", "2222"),
        *("-o", f"HostKeyAlias={HELLO}", "-o", "StrictHostKeyChecking=accept-new"),
        *("ada@127.64.0.10", "-L", "1:h:2", "uname", "-a"),
    ]


def test_ssh_says_when_there_is_no_client(api: FakeApi, shell: Shell, tmp_path: Path) -> None:
    api.give("/instances", [answers.instance()])
    running = shell.start("ssh", "hello", path=str(tmp_path))
    _, errors = running.communicate(timeout=10)
    assert running.returncode == 1
    assert "openssh-client" in errors


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"status": "creating", "ip_address": None}, "hello is still being created."),
        ({"power_status": "stopped"}, "Switch it on with `bluelobster power-on hello`."),
        ({"ip_address": None}, "hello has no address yet."),
        ({"ip_address": "-oProxyCommand=evil"}, "is no IP address"),
        ({"vm_username": "-oProxyCommand=evil"}, "cannot be used with ssh"),
        ({"vm_username": "a b"}, "cannot be used with ssh"),
    ],
)
def test_ssh_refuses_what_cannot_work(api: FakeApi, shell: Shell, fields: dict[str, object], message: str) -> None:
    api.give("/instances", [{**answers.instance(), **fields}])
    result = shell.run("ssh", "hello")
    assert result.exit_code == 1
    assert message in result.stderr


def test_quantities_in_words() -> None:
    assert [span(seconds) for seconds in (-1, 0.9, 59, 60, 7199, 90000)] == [
        "0 s",
        "0 s",
        "59 s",
        "1 min",
        "1 h",
        "1 d",
    ]
    assert [size(amount) for amount in (0, 1023, 1536, 5 * 1024**4, 5 * 1024**5)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 TiB",
        "5120.0 TiB",
    ]
    assert (price(None), price(0), price(1234)) == (None, "$0.00/h", "$12.34/h")
    assert (short(HELLO), short("task_abc-1")) == ("0d1e7a52", "task_abc-1")
    assert age(datetime.now(UTC) - timedelta(hours=5, minutes=1)) == "5 h"
    assert age(None) == ""
