"""What the processes of the control plane have in common: how they begin, and how they are told to stop."""

import asyncio
import gc
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import click
from pydantic import ValidationError

from bluelobster.db.migrate import CannotMigrate, migrate
from bluelobster.settings import Settings


def settings_from_environment() -> Settings:
    """The settings; ends the program with what is missing and how to give it."""
    try:
        settings = Settings()
        settings.key_text()
    except ValidationError as error:
        for line in complaints(error):
            click.echo(line, err=True)
        sys.exit(2)
    except (ValueError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    return settings


def complaints(error: ValidationError) -> list[str]:
    """What is wrong with settings, by the names that they are given by."""
    wrong = [f"BLUELOBSTER_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
    return [*wrong, "Settings are environment variables; docs/settings.md lists them all."]


def bring_up_to_date(settings: Settings) -> None:
    """The database; ends the program with why it cannot be done."""
    try:
        migrate(settings.database_url)
    except CannotMigrate as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def keep_for_good() -> None:
    """What was made so far stays: the collector need not look through it, again and again, while somebody waits."""
    gc.collect()
    gc.freeze()


async def until_told_to_stop(running: Coroutine[Any, Any, None]) -> None:
    """Run until it ends by itself, or SIGTERM or SIGINT asks it to."""
    task = asyncio.ensure_future(running)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return
