"""The two processes of the control plane, each on its own: the API, and the worker."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import click
import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import ValidationError

from bluelobster.app import assembled, create_app
from bluelobster.db.migrate import migrate
from bluelobster.logs import log_to_stderr
from bluelobster.settings import Settings
from bluelobster.worker import work

NICENESS = 10


def settings_from_environment() -> Settings:
    """The settings; ends the program with what is missing and how to give it."""
    try:
        settings = Settings()
        settings.key_text()
    except ValidationError as error:
        for each in error.errors():
            name = f"BLUELOBSTER_{'_'.join(map(str, each['loc'])).upper()}"
            click.echo(f"{name}: {each['msg']}", err=True)
        click.echo("Settings are environment variables; docs/settings.md lists them all.", err=True)
        sys.exit(2)
    except (ValueError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    return settings


class Server(uvicorn.Server):
    """Ends the event streams when it is told to stop: they would not end by themselves."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.feed.close()
        await super().shutdown(sockets)


@click.command()
def api() -> None:
    """Run the API against the PostgreSQL that BLUELOBSTER_DATABASE_URL names."""
    settings = settings_from_environment()
    log_to_stderr(settings.log_level)
    migrate(settings.database_url)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=25,
    )
    server = Server(config, app)
    keep_for_good()
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


@click.command()
def worker() -> None:
    """Run a worker against the PostgreSQL that BLUELOBSTER_DATABASE_URL names."""
    settings = settings_from_environment()
    log_to_stderr(settings.log_level)
    migrate(settings.database_url)
    # Where they share a machine, answers come before the work that was asked for.
    os.nice(NICENESS)
    keep_for_good()
    uvloop.run(until_told_to_stop(_work(settings)))


def keep_for_good() -> None:
    """What was made so far stays: the collector need not look through it, again and again, while somebody waits."""
    gc.collect()
    gc.freeze()


async def _work(settings: Settings) -> None:
    async with assembled(settings) as parts:
        await work(parts, settings)


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
