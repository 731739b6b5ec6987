"""An API on a real port of this machine, for what cannot be asked in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from bluelobster.serve import Server
from cloud import eventually


@dataclass
class Served:
    """Where the API is, and how to tell it to stop."""

    url: str
    server: Server
    serving: asyncio.Task[None]

    async def stop(self, seconds: float = 10) -> None:
        """Tell it to stop, as a signal does; TimeoutError where it does not within so many seconds."""
        self.server.should_exit = True
        async with asyncio.timeout(seconds):
            await asyncio.shield(self.serving)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[Served]:
    """The API behind uvicorn while the block lasts."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=5)
    server = Server(config, app)
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    port = server.servers[0].sockets[0].getsockname()[1]
    running = Served(f"http://127.0.0.1:{port}/api/v1", server, serving)
    try:
        yield running
    finally:
        await running.stop()
