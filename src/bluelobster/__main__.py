"""The command line. A command's module is imported when the command is used, so that each starts quickly."""

import difflib
import errno
import gc
import importlib
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from bluelobster_client.cli import COMMANDS as USER_COMMANDS

VERSION = "0.1.0"

# Name of the command: where it is, and what its help says in one line.
OPERATOR_COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("bluelobster.demo:command", "Start everything, launch a real machine and log in to it."),
    "up": ("bluelobster.up:command", "Run the whole cloud on this machine until Ctrl-C."),
    "api": ("bluelobster.serve:api", "Run the API alone, against any PostgreSQL."),
    "worker": ("bluelobster.worker:command", "Run a worker alone, against any PostgreSQL."),
    "admin": ("bluelobster.admin:admin", "Manage accounts, keys, hosts, types and templates."),
    "test": ("bluelobster.testing:command", "Check the code: style, types, architecture, tests."),
}

SECTIONS: dict[str, Mapping[str, tuple[str, str]]] = {
    "Instances": USER_COMMANDS,
    "Running the cloud": OPERATOR_COMMANDS,
}


class LazyGroup(click.Group):
    """A group whose commands are named in a table and imported on use."""

    def __init__(self, sections: Mapping[str, Mapping[str, tuple[str, str]]], **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self._sections = sections
        self._table = {name: entry for section in sections.values() for name, entry in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._table:
            return None
        module, attribute = self._table[cmd_name][0].split(":")
        # What an import makes stays: looking through it for garbage took a fifth of the time.
        gc.disable()
        command = getattr(importlib.import_module(module), attribute)
        gc.enable()
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._table and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self._table, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"There is no command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, section in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in section.items()])


@click.command(
    cls=LazyGroup, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(VERSION, prog_name="bluelobster", message="%(prog)s %(version)s")
def main() -> None:
    """A cloud of virtual machines on your own hardware."""


def be_robust() -> None:
    """A terminal that cannot show a character shows another one, and a question that nobody can answer is not asked."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as we run


if __name__ == "__main__":
    be_robust()
    try:
        main(prog_name=os.environ.get("BLUELOBSTER_PROGRAM", "bluelobster"))
    except OSError as error:
        # Where it is not a file that has no room, it is what the output goes to.
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(f"bluelobster: cannot write the output: {error.strerror}")
