"""A cloud of each test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud import TestCloud, running_cloud


@pytest.fixture
async def cloud(database: str, tmp_path: Path) -> AsyncIterator[TestCloud]:
    async with running_cloud(database, tmp_path) as running:
        yield running


@pytest.fixture
async def idle_cloud(database: str, tmp_path: Path) -> AsyncIterator[TestCloud]:
    """A cloud without a worker: what is asked for stays queued."""
    async with running_cloud(database, tmp_path, worker=False) as running:
        yield running
