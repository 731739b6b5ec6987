"""What the service says of itself."""

import asyncio

import pytest

from bluelobster import health
from bluelobster.db.clocks import TOLERATED
from cloud import TestCloud
from set_clock import WrongClock


async def test_an_api_with_a_wrong_clock_says_so(idle_cloud: TestCloud, caplog: pytest.LogCaptureFixture) -> None:
    await idle_cloud.one("update hosts set seen_at = now() returning 1")
    assert (await idle_cloud.customer.get("/health")).json()["status"] == "healthy"
    idle_cloud.app.state.clock = WrongClock(-2 * TOLERATED)
    answer = await idle_cloud.customer.get("/health")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["components"]["api"]) == ("degraded", "degraded")
    assert "requests are answered with a wrong time: this machine's clock differs" in caplog.text


async def test_a_database_that_says_nothing_keeps_nobody_waiting(
    idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def wait(*_: object) -> None:
        await never.wait()

    monkeypatch.setattr(health, "wrong_by", wait)
    monkeypatch.setattr(health, "DATABASE_SECONDS", 0.05)
    answer = await idle_cloud.customer.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert answer.json()["components"]["postgresql"] == "unavailable"
