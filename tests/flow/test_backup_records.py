"""Our record of backups, what their storage has, and what they cost."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from bluelobster.backups.mark import Mark, mark_of, marked, with_notes, without_mark
from bluelobster.reconcile.backups import reconcile_backups
from cloud import TestCloud
from flow.test_backups import backed_up, listed, storage_is, volumes

GIB = 2**30


async def reconcile(cloud: TestCloud) -> None:
    await reconcile_backups(cloud.parts.pool, cloud.parts.connections, cloud.parts.clock)


async def kinds(cloud: TestCloud, instance_id: str) -> list[str]:
    """Events of backups, in their order."""
    found = await cloud.one(
        """select coalesce(array_agg(kind order by created_at, id), '{}') from events
           where instance_id = %s and kind like 'backup.%%'""",
        UUID(instance_id),
    )
    return list(found)


async def costing(cloud: TestCloud) -> int:
    count = await cloud.one("select count(*) from backup_usage_periods where ended_at is null")
    return int(count)


async def take_away(cloud: TestCloud, volid: str) -> None:
    """As the operator can, past us."""
    pve = await cloud.parts.connections.to("px1")
    task = await pve.delete_volume("backup", volid)
    assert task is not None
    await pve.wait(task, timeout=10)


async def test_what_vanished_is_lost(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    kept, lost = await backed_up(cloud, instance_id), await backed_up(cloud, instance_id)
    await take_away(cloud, lost["volid"])
    await reconcile(cloud)
    assert [each["volid"] for each in (await listed(cloud, instance_id))["backups"]] == [kept["volid"]]
    assert await kinds(cloud, instance_id) == ["backup.completed", "backup.completed", "backup.lost"]
    assert await costing(cloud) == 1
    again = await cloud.customer.delete("/backups", params={"volid": lost["volid"]})
    assert again.status_code == 404
    await reconcile(cloud)
    assert (await kinds(cloud, instance_id)).count("backup.lost") == 1


async def test_a_storage_that_is_away_loses_nothing(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    entry = await backed_up(cloud, instance_id)
    storage_is(cloud, gone=True)
    await reconcile(cloud)
    assert (await listed(cloud, instance_id))["backups"] == [entry]
    assert await costing(cloud) == 1


async def test_what_is_found_again_is_there_again(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    entry = await backed_up(cloud, instance_id)
    await cloud.one("update backups set status = 'lost', ended_at = now() returning 1")
    await cloud.one("update backup_usage_periods set ended_at = began_at returning 1")
    assert (await listed(cloud, instance_id))["backups"] == []
    await reconcile(cloud)
    assert (await listed(cloud, instance_id))["backups"] == [entry]
    assert await costing(cloud) == 1
    assert (await kinds(cloud, instance_id))[-1] == "backup.found"


async def test_what_bears_our_mark_is_taken_in(cloud: TestCloud) -> None:
    """As after a database was restored from the day before."""
    instance_id = await cloud.launched()
    entry = await backed_up(cloud, instance_id)
    await cloud.customer.put("/backups/notes", params={"volid": entry["volid"]}, json={"notes": "mine\nstill"})
    for table in ("backup_usage_periods", "tasks", "backups"):
        await cloud.one(f"delete from {table} returning 1")
    await reconcile(cloud)
    (found,) = (await listed(cloud, instance_id))["backups"]
    assert found == {**entry, "notes": "mine\nstill", "stored_bytes": None}
    assert await costing(cloud) == 1
    deleted = await cloud.customer.delete("/backups", params={"volid": entry["volid"]})
    await cloud.completed(deleted.json()["task_id"])
    assert await volumes(cloud) == []


async def test_what_is_somebody_else_s_stays_so(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    vmid = await cloud.one("select vmid from instances where id = %s", UUID(instance_id))
    pve = await cloud.parts.connections.to("px1")
    for notes in ("the operator's own", marked(Mark(uuid4(), uuid4()), "web-1", "another cloud")):
        task = await pve.start_backup(vmid, "backup", notes)
        assert task is not None
        await pve.wait(task, timeout=10)
    await reconcile(cloud)
    assert (await cloud.customer.get("/backups")).json()["total"] == 0
    assert len(await volumes(cloud)) == 2


@pytest.mark.parametrize("status", ["failed", "deleted"])
async def test_what_was_said_to_be_gone_goes(cloud: TestCloud, status: str) -> None:
    instance_id = await cloud.launched()
    await backed_up(cloud, instance_id)
    await cloud.one("update backups set status = %s, ended_at = now() returning 1", status)
    await reconcile(cloud)
    assert await volumes(cloud) == []
    assert (await cloud.customer.get("/backups")).json()["total"] == 0


async def test_protection_is_seen(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = (await backed_up(cloud, instance_id))["volid"]
    pve = await cloud.parts.connections.to("px1")
    for protected in (True, False):
        await pve._transport.put(pve._path("storage", "backup", "content", volid), {"protected": int(protected)})
        await reconcile(cloud)
        assert (await listed(cloud, instance_id))["backups"][0]["protected"] is protected


async def test_what_backups_take_and_cost(cloud: TestCloud) -> None:
    one, other = await cloud.launched(name="one"), await cloud.launched(name="other")
    entries = [await backed_up(cloud, each) for each in (one, one, other)]
    # Since the month began, at 5 cents: 30 GB twice, and 12 GB that were deleted after half of the month so far.
    now = cloud.parts.clock.now()
    began = datetime(now.year, now.month, 1, tzinfo=now.tzinfo)
    for entry, size in zip(entries, (30, 30, 12), strict=True):
        await cloud.one(
            """update backup_usage_periods p
               set size_bytes = %s, began_at = %s - interval '1 day', price_cents_per_month = 5
               from backups b where b.id = p.backup_id and b.volid = %s returning 1""",
            size * GIB,
            began,
            entry["volid"],
        )
    deleted = await cloud.customer.delete("/backups", params={"volid": entries[2]["volid"]})
    await cloud.completed(deleted.json()["task_id"])
    await cloud.one(
        "update backup_usage_periods set ended_at = %s where ended_at is not null returning 1",
        began + (now - began) / 2,
    )
    whole = (await cloud.customer.get("/backups/storage")).json()
    share = (now - began) / timedelta(hours=730)
    assert whole["month"] == f"{now:%Y-%m}"
    assert (whole["backup_count"], whole["price_cents_per_gb_month"]) == (2, 5)
    assert whole["total_bytes"] == sum(each["size_bytes"] for each in entries[:2])
    assert whole["total_gb"] == pytest.approx(whole["total_bytes"] / GIB, abs=0.01)
    assert whole["stored_bytes"] == sum(each["stored_bytes"] for each in entries[:2])
    first, second = whole["by_instance"]
    assert (first["instance_name"], first["backup_count"]) == ("one", 2)
    assert (second["instance_name"], second["backup_count"], second["size_bytes"]) == ("other", 0, 0)
    # Each of them is rounded where the month begins, and now.
    assert first["cost_this_month_cents"] == pytest.approx(300 * share, abs=2)
    assert second["cost_this_month_cents"] == pytest.approx(30 * share, abs=1)
    assert whole["cost_this_month_cents"] == first["cost_this_month_cents"] + second["cost_this_month_cents"]


def test_a_mark_is_the_first_line_alone() -> None:
    mark = Mark(uuid4(), uuid4())
    line = marked(mark, "web-1", "Acme\nLtd\x1b")
    assert "\n" not in line
    assert mark_of(line) == mark
    forged = with_notes(line, marked(Mark(uuid4(), uuid4()), "other", "other"))
    assert mark_of(forged) == mark
    for notes in ("", "notes", f"x {line}", f"\n{line}", line.replace("backup ", "backup x")):
        assert mark_of(notes) is None
    assert without_mark(with_notes(line, "a\nb")) == "a\nb"
    assert (without_mark(line), without_mark("theirs"), without_mark("")) == (None, "theirs", None)
