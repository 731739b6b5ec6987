"""A database that takes nothing for a while: one that is being moved, or whose disk is full."""

from typing import Any

import psycopg
import pytest
from psycopg import sql

from bluelobster.db import pool
from cloud import LAUNCH, TestCloud, eventually

WRITABLE = "-c default_transaction_read_only=off"
END_ALL = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""
REFUSED = "read-only transaction"


def takes_nothing(cloud: TestCloud, yes: bool) -> None:
    """In sessions that begin from now on, and all do."""
    with psycopg.connect(cloud.settings.database_url, autocommit=True, options=WRITABLE) as connection:
        database = sql.Identifier(connection.info.dbname)
        said = sql.SQL("alter database {} set default_transaction_read_only = {}").format(database, sql.Literal(yes))
        connection.execute(said)
        connection.execute(END_ALL)


@pytest.mark.own_database
async def test_it_is_told_and_got_over(
    cloud: TestCloud, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cloud.launched()
    takes_nothing(cloud, True)

    async def api_is_refused() -> bool:
        answer = await cloud.customer.post("/instances/launch-instance", json=LAUNCH)
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"] == "service_unavailable"
        return f"takes nothing: cannot execute INSERT in a {REFUSED}" in caplog.text

    async def worker_is_refused() -> bool:
        return any(
            record.name == "bluelobster.tasks.worker" and REFUSED in record.getMessage() for record in caplog.records
        )

    async def last_use_is_refused() -> bool:
        return any(
            record.name == "bluelobster.access.last_use" and REFUSED in record.getMessage() for record in caplog.records
        )

    await eventually(api_is_refused)
    await eventually(worker_is_refused)
    assert (await cloud.stranger.get("/keys")).status_code == 200
    await eventually(last_use_is_refused)
    assert await health(cloud) == ("degraded", "degraded")
    takes_nothing(cloud, False)

    async def accepted() -> dict[str, str] | None:
        answer = await cloud.customer.post("/instances/launch-instance", json=LAUNCH)
        return answer.json() if answer.status_code == 200 else None

    await cloud.completed((await eventually(accepted))["task_id"])
    listed = await cloud.staff.get("/keys")
    assert listed.status_code == 200

    async def its_use_is_noted() -> Any:
        return await cloud.one(
            "select last_used_at is not null from api_keys where prefix = %s", listed.json()["keys"][0]["prefix"]
        )

    await eventually(its_use_is_noted)
    monkeypatch.setattr(pool, "REFUSAL_SECONDS", 0.0)
    assert await health(cloud) == ("healthy", "operational")


async def health(cloud: TestCloud) -> tuple[str, str]:
    """The whole's, and the database's."""
    told = (await cloud.customer.get("/health")).json()
    return told["status"], told["components"]["postgresql"]
