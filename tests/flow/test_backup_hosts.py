"""Which host a backup is reached through."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from backed_up import backed_up
from bluelobster.backups.subject import read_subject
from bluelobster.db.pool import transaction
from bluelobster.reconcile.backups import OnRecord, lose, reconcile_backups
from bluelobster.tasks.task import Task
from cloud import TestCloud

ANOTHER_HOST = """
insert into hosts
select (jsonb_populate_record(h, jsonb_build_object('id', 'px2', 'node', 'px2') || %s)).* from hosts h
"""


async def host_of_backup(cloud: TestCloud) -> str:
    async with transaction(cloud.parts.pool) as tx:
        cursor = await tx.execute("select id from backups")
        row = cast("tuple[Any]", await cursor.fetchone())
        task = cast("Task", SimpleNamespace(key_prefix=None, backup_id=row[0]))
        return (await read_subject(tx, task)).host_id


@pytest.mark.parametrize(("storage", "expected"), [("backup", "px2"), ("another", "px1")])
async def test_another_host_that_reaches_the_storage_will_do(cloud: TestCloud, storage: str, expected: str) -> None:
    await backed_up(cloud, await cloud.launched())
    await cloud.execute(ANOTHER_HOST, f'{{"backup_storage": "{storage}"}}')
    assert await host_of_backup(cloud) == "px1"
    await cloud.execute("update hosts set status = 'offline' where id = 'px1'")
    assert await host_of_backup(cloud) == expected


async def test_what_is_being_made_is_asked_of_its_maker(cloud: TestCloud) -> None:
    await backed_up(cloud, await cloud.launched())
    await cloud.execute(ANOTHER_HOST, '{"backup_storage": "backup"}')
    await cloud.execute("update hosts set status = 'offline' where id = 'px1'")
    await cloud.execute("update backups set status = 'creating'")
    assert await host_of_backup(cloud) == "px1"


async def test_what_was_lost_is_found_again_when_its_host_is_gone(cloud: TestCloud) -> None:
    await backed_up(cloud, await cloud.launched())
    await cloud.execute(ANOTHER_HOST, '{"id": "px0", "node": "px0", "status": "offline", "backup_storage": "backup"}')
    await cloud.execute("update hosts set vcpus_used = 0, memory_gb_used = 0, disk_gb_used = 0 where id = 'px0'")
    await cloud.execute("update backups set host_id = 'px0'")
    async with transaction(cloud.parts.pool) as tx:
        cursor = await tx.execute("select id, volid, status, protected from backups")
        row = cast("tuple[Any, ...]", await cursor.fetchone())
        await lose(tx, OnRecord(*row), cloud.parts.clock.now())
    assert (await cloud.staff.delete("/admin/hosts/px0")).status_code == 204
    await reconcile_backups(cloud.parts.pool, cloud.parts.connections, cloud.parts.clock)
    assert await cloud.one("select status || ' on ' || host_id from backups") == "available on px1"
