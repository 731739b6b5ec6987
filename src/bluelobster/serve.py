"""The API as a process of its own."""

import socket
import sys
from contextlib import suppress

import click
import uvicorn
from fastapi import FastAPI

from bluelobster.app import create_app
from bluelobster.logs import log_to_stderr
from bluelobster.process import bring_up_to_date, keep_for_good, settings_from_environment


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
    bring_up_to_date(settings)
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
