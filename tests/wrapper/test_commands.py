import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bluelobster import __main__ as command_line

SRC = str(Path(command_line.__file__).parents[1])
TABLE = [(name, *entry) for section in command_line.SECTIONS.values() for name, entry in section.items()]


def test_help_lists_every_command_without_importing_the_server() -> None:
    script = (
        "import sys\n"
        "from bluelobster.__main__ import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'alembic', 'fastapi', 'psycopg', 'pydantic', 'uvicorn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": SRC})
    assert answer.returncode == 0, answer.stderr
    for name, _, text in TABLE:
        assert name in answer.stdout
        assert text.split()[0] in answer.stdout


def test_a_users_command_does_not_import_the_server() -> None:
    script = (
        "import sys\n"
        "from bluelobster.__main__ import main\n"
        "main(['launch', '--help'], standalone_mode=False)\n"
        "heavy = {'alembic', 'fastapi', 'psycopg', 'pydantic', 'uvicorn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": SRC})
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(("name", "where", "text"), TABLE)
def test_every_command_is_where_the_table_says(name: str, where: str, text: str) -> None:
    module, attribute = where.split(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert CliRunner().invoke(command_line.main, [name, "--help"]).exit_code == 0
    assert text.endswith(".")


def test_the_version_is_told() -> None:
    answer = CliRunner().invoke(command_line.main, ["--version"])
    assert (answer.exit_code, answer.output) == (0, f"bluelobster {command_line.VERSION}\n")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("lunch", "There is no command 'lunch'. Did you mean 'launch'?"), ("qqq", "There is no command 'qqq'.\n")],
)
def test_a_mistyped_command_is_guessed(typed: str, said: str) -> None:
    answer = CliRunner().invoke(command_line.main, [typed])
    assert answer.exit_code == 2
    assert said in answer.output


def test_a_table_that_names_something_else_is_an_error() -> None:
    group = command_line.LazyGroup({"Wrong": {"wrong": ("os:sep", "Not a command.")}})
    with pytest.raises(TypeError, match="os:sep is not a command"):
        group.get_command(click.Context(group), "wrong")
