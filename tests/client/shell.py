"""Runs the user commands: in this process, or as a user's shell would."""

import importlib
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import click
from click.testing import CliRunner, Result

from bluelobster_client.cli import COMMANDS

SOURCE = Path(__file__).parents[2] / "src"
START = """
import fcntl, importlib, os, sys, termios
if sys.argv[1] == "tty":
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    del sys.argv[1]
from bluelobster_client.cli import COMMANDS
module, attribute = COMMANDS[sys.argv[1]][0].split(":")
getattr(importlib.import_module(module), attribute)(sys.argv[2:])
"""


def command(name: str) -> click.Command:
    module, attribute = COMMANDS[name][0].split(":")
    found = getattr(importlib.import_module(module), attribute)
    assert isinstance(found, click.Command)
    return found


@dataclass(frozen=True)
class Shell:
    """A user's environment."""

    home: Path
    url: str | None
    key: str | None
    data: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        known = {"BLUELOBSTER_API_URL": self.url, "BLUELOBSTER_API_KEY": self.key}
        return {
            "HOME": str(self.home),
            "BLUELOBSTER_DATA": str(self.data),
            "USER": "ada",
            "LOGNAME": "ada",
            **{name: value for name, value in known.items() if value is not None},
        }

    def run(self, name: str, *arguments: str, typed: str | None = None) -> Result:
        """Runs a command in this process, without a terminal."""
        result = CliRunner().invoke(command(name), arguments, input=typed, env=self.environment)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def start(
        self, name: str, *arguments: str, path: str = "/usr/bin:/bin", tty: int | None = None, encoding: str = "utf-8"
    ) -> subprocess.Popen[str]:
        """Starts a command as a process of its own, on the terminal `tty` if given."""
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", START, *(["tty"] if tty is not None else []), name, *arguments],
            env={
                **self.environment,
                "PYTHONPATH": str(SOURCE),
                "PATH": path,
                "TERM": "xterm",
                "PYTHONIOENCODING": encoding,
            },
            stdin=subprocess.DEVNULL if tty is None else tty,
            stdout=subprocess.PIPE if tty is None else tty,
            stderr=subprocess.PIPE if tty is None else tty,
            text=True,
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        """Ends what was started and still runs."""
        for process in self.started:
            process.kill()
            process.communicate()
