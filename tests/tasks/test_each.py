"""What fails for one is told, and keeps nobody else from their turn."""

from functools import partial
from uuid import UUID

import pytest
from psycopg.errors import DeadlockDetected

from bluelobster.db.pool import Tx
from bluelobster.tasks.each import for_each
from cloud import TestCloud

NAMED = "select id from accounts where name = any(%s) order by name"


async def rename(other: str, tx: Tx, account_id: UUID) -> None:
    await tx.execute("update accounts set name = name || %s where id = %s", (other, account_id))
    cursor = await tx.execute("select name from accounts where id = %s", (account_id,))
    if await cursor.fetchone() == (f"customer{other}",):
        raise ValueError("not this one")


async def test_one_that_fails_changes_nothing_and_stops_nobody(
    idle_cloud: TestCloud, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["customer", "stranger"]
    await for_each(idle_cloud.parts.pool, "renaming account", NAMED, partial(rename, "-2"), (names,))
    customer = await idle_cloud.account_id()
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == [
        f"renaming account {customer} failed; it is tried again"
    ]
    assert await idle_cloud.one("select count(*) from accounts where name = 'stranger-2'") == 1


async def test_one_that_was_in_somebody_s_way_stops_nobody(
    idle_cloud: TestCloud, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[UUID] = []

    async def act(_tx: Tx, account_id: UUID) -> None:
        done.append(account_id)
        if len(done) == 1:
            raise DeadlockDetected

    await for_each(idle_cloud.parts.pool, "looking at account", NAMED, act, (["customer", "stranger"],))
    assert len(done) == 2
    assert f"looking at account {done[0]} was in somebody's way; it is tried again" in caplog.text
