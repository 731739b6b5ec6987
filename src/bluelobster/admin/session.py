"""How an admin command reaches the database: by the settings, or by what a running `up` left for its operator."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click
from psycopg import Error as DatabaseError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bluelobster.access.sealing import Seal, Unreadable
from bluelobster.admin.refusals import refusal
from bluelobster.db.migrate import CannotMigrate, migrate
from bluelobster.db.pool import forget_libpq_defaults
from bluelobster.http.errors import ApiError
from bluelobster.parts import Parts, assembled
from bluelobster.process import settings_from_environment
from bluelobster.pve import errors
from bluelobster.settings import Settings

OPERATOR_FILE = "operator.json"


class Wrong(click.ClickException):
    """What the operator asked for cannot be done; the text says why."""


def data_directory(given: str | None) -> Path:
    """Where a local `up` keeps its data."""
    return Path(given or os.environ.get("BLUELOBSTER_DATA") or "data").absolute()


def settings_for(data: str | None) -> Settings:
    """The environment's settings, or those of the local `up`."""
    if data is None and os.environ.get("BLUELOBSTER_DATABASE_URL"):
        return settings_from_environment()
    path = data_directory(data) / OPERATOR_FILE
    forget_libpq_defaults()
    try:
        return Settings.model_validate(json.loads(path.read_text()))
    except FileNotFoundError:
        raise Wrong(
            f"no database: set BLUELOBSTER_DATABASE_URL, or start `./bluelobster up` first ({path} is not there)"
        ) from None
    except (OSError, ValueError) as error:
        raise Wrong(f"{path} cannot be used: {error}") from None


def run(action: Callable[[Parts], Awaitable[None]]) -> None:
    """Carry an admin command out; what goes wrong becomes one sentence and exit status 1."""
    settings = settings_for(_data_of_admin())
    prepare(settings)

    async def connected() -> None:
        async with assembled(settings) as parts:
            await action(parts)

    try:
        asyncio.run(connected())
    except DatabaseError as error:
        raise Wrong(refusal(error)) from error
    except errors.NoAnswer as error:
        raise Wrong(f"the host does not answer: {error}") from error
    except ApiError as error:
        raise Wrong(error.message) from error
    except errors.PveError as error:
        raise Wrong(f"the host says: {error}") from error
    except (Unreadable, OSError) as error:
        raise Wrong(str(error)) from error


def prepare(settings: Settings) -> None:
    """Bring the database up to date. Raises Wrong for settings that cannot work."""
    try:
        Seal.from_text(settings.key_text())
    except ValueError as error:
        raise Wrong(str(error)) from error
    try:
        migrate(settings.database_url)
    except CannotMigrate as error:
        raise Wrong(str(error)) from error


def _data_of_admin() -> str | None:
    context: click.Context | None = click.get_current_context()
    while context is not None:
        if isinstance(context.obj, str):
            return context.obj
        context = context.parent
    return None


def show(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on the terminal."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def found(what: str, is_there: object) -> None:
    """Raises Wrong unless it is there."""
    if not is_there:
        raise Wrong(f"there is no {what}")
