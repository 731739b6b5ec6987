"""An API in a process of its own that is killed around its first commit."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import httpx

from bluelobster.access import route
from bluelobster.app import attach, create_app
from bluelobster.db import pool
from bluelobster.instances import routes
from bluelobster.parts import assembled
from bluelobster.settings import Settings
from cloud import api_client
from forks import processes


def start_api(
    settings: Settings, point: str, headers: dict[str, str], method: str, path: str, body: Any
) -> BaseProcess:
    """An API process that answers one request, and dies at `point` of its first writing transaction."""
    arguments = (settings.model_dump(), settings.key_text(), point, headers, method, path, body)
    process = processes.Process(target=answer_one, args=arguments)
    process.start()
    return process


def answer_one(
    values: dict[str, Any], key: str, point: str, headers: dict[str, str], method: str, path: str, body: Any
) -> None:
    die_at(point)
    asyncio.run(_answer(Settings.model_validate({**values, "secret_key": key}), headers, method, path, body))


def die_at(point: str) -> None:
    @asynccontextmanager
    async def deadly(connections: pool.Pool) -> AsyncIterator[pool.Tx]:
        async with connections.connection() as connection:
            async with connection.transaction():
                yield connection
                if point == "before commit":
                    os.kill(os.getpid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    for module in (route, routes):
        setattr(module, "transaction", deadly)  # noqa: B010 - the modules do not export it


async def _answer(settings: Settings, headers: dict[str, str], method: str, path: str, body: Any) -> httpx.Response:
    app = create_app(settings)
    async with assembled(settings) as parts:
        attach(app, parts)
        return await api_client(app, None).request(method, path, json=body, headers=headers)
