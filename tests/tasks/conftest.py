"""A cloud of each test's own, whose database is impatient with transactions that sleep."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud import TestCloud, running_cloud

IDLE_SECONDS = 3.0


@pytest.fixture
async def idle_cloud(database: str, tmp_path: Path) -> AsyncIterator[TestCloud]:
    async with running_cloud(database, tmp_path, worker=False, idle_seconds=IDLE_SECONDS) as running:
        yield running
