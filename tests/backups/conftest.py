"""Schedules in a cloud without a worker."""

from datetime import UTC, datetime

import pytest

from backups.scheduled import Scheduled
from bluelobster.access.principal import Sight
from cloud import TestCloud
from set_clock import SetClock

# The year that follows has a leap day in it.
BEGIN = datetime(2027, 8, 15, 12, 34, 56, tzinfo=UTC)


@pytest.fixture
async def scheduled(idle_cloud: TestCloud) -> Scheduled:
    account_id = await idle_cloud.account_id()
    return Scheduled(idle_cloud, SetClock(BEGIN), Sight(account_id, None))
