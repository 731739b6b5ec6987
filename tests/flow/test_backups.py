"""Backups: made, listed, described and deleted."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bluelobster.access.keys import create_key
from bluelobster.backups.mark import mark_of
from bluelobster.db.pool import transaction
from cloud import CLEAN, TestCloud, api_client, eventually
from pvelocal.faults import StorageFault


async def backed_up(cloud: TestCloud, instance_id: str) -> dict[str, Any]:
    """Make a backup; its entry in the instance's list, which has the newest first."""
    accepted = await cloud.customer.post(f"/instances/{instance_id}/backup")
    assert accepted.status_code == 200, accepted.text
    await cloud.completed(accepted.json()["task_id"])
    entry: dict[str, Any] = (await listed(cloud, instance_id))["backups"][0]
    return entry


async def listed(cloud: TestCloud, instance_id: str) -> dict[str, Any]:
    answer = await cloud.customer.get(f"/instances/{instance_id}/backups")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def volumes(cloud: TestCloud) -> list[Any]:
    """What the storage has."""
    pve = await cloud.parts.connections.to("px1")
    return await pve.backup_volumes("backup")


def storage_is(cloud: TestCloud, **fault: Any) -> None:
    cloud.node.node.faults.befall_storage("backup", StorageFault(**fault))


async def test_a_backup_s_life(cloud: TestCloud) -> None:
    instance_id = await cloud.launched(name="web-1")
    accepted = (await cloud.customer.post(f"/instances/{instance_id}/backup")).json()
    assert (accepted["message"], accepted["instance_id"]) == ("Backup started", instance_id)
    task = await cloud.completed(accepted["task_id"])
    assert (task["operation"], task["message"], task["progress"]) == ("backup_instance", "Backup completed", 100)
    assert task["params"]["vm_uuid"] == instance_id

    whole = await listed(cloud, instance_id)
    assert (whole["instance_id"], whole["storage"], whole["total"]) == (instance_id, "backup", 1)
    assert (whole["backup_in_progress"], whole["restore_in_progress"]) == (None, None)
    (entry,) = whole["backups"]
    vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
    assert entry["volid"].startswith(f"backup:backup/vm/{vmid}/")
    assert (entry["format"], entry["notes"], entry["scheduled"], entry["protected"]) == ("pbs-vm", None, False, False)
    assert 0 <= entry["stored_bytes"] <= entry["size_bytes"]
    (volume,) = await volumes(cloud)
    assert (volume.volid, volume.size_bytes) == (entry["volid"], entry["size_bytes"])
    made = datetime.fromtimestamp(volume.created_at, UTC)
    assert entry["created_at"] == f"{made:%Y-%m-%dT%H:%M:%SZ}"
    mark = mark_of(volume.notes)
    assert mark is not None
    assert (str(mark.instance_id), "web-1, account customer" in volume.notes) == (instance_id, True)

    deleted = await cloud.customer.delete("/backups", params={"volid": entry["volid"]})
    assert deleted.status_code == 200, deleted.text
    assert deleted.json()["backup_volid"] == entry["volid"]
    task = await cloud.completed(deleted.json()["task_id"])
    assert (task["operation"], task["message"]) == ("delete_backup", "Backup deleted")
    assert (await listed(cloud, instance_id))["backups"] == []
    assert await volumes(cloud) == []
    assert await cloud.one("select count(*) from backup_usage_periods where ended_at is null") == 0


async def test_a_stopped_machine_is_backed_up_too(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    stopped = await cloud.customer.post(f"/instances/{instance_id}/force-shutdown")
    await cloud.completed(stopped.json()["task_id"])
    await backed_up(cloud, instance_id)
    assert (await cloud.customer.get(f"/instances/{instance_id}")).json()["power_status"] == "stopped"


async def test_progress_is_told_and_one_at_a_time(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    storage_is(cloud, seconds=2.0)
    accepted = (await cloud.customer.post(f"/instances/{instance_id}/backup")).json()

    async def half_way() -> dict[str, Any] | None:
        task: dict[str, Any] = (await cloud.customer.get(f"/tasks/{accepted['task_id']}")).json()
        return task if task["progress"] > 0 else None

    task = await eventually(half_way)
    assert task["status"] == "PROCESSING"
    assert task["message"].startswith("Backing up: ")

    running = (await listed(cloud, instance_id))["backup_in_progress"]
    assert (running["task_id"], running["started_at"]) == (accepted["task_id"], task["created_at"])
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    assert shown["backup_in_progress"]["task_id"] == accepted["task_id"]
    assert shown["restore_in_progress"] is None
    (shown,) = (await cloud.customer.get("/instances")).json()
    assert 0 < shown["backup_in_progress"]["progress"] < 100

    again = await cloud.customer.post(f"/instances/{instance_id}/backup")
    assert (again.status_code, again.json()) == (
        409,
        {
            "error": "task_in_progress",
            "message": "Cannot start backup: backup is already in progress for this instance",
        },
    )
    deletion = await cloud.customer.delete(f"/instances/{instance_id}")
    assert (deletion.status_code, deletion.json()["error"]) == (400, "invalid_state")
    await cloud.completed(accepted["task_id"])
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    assert shown["backup_in_progress"] is None
    steps = await cloud.one(
        """select count(*) from (select distinct data->>'message' from events
                                  where task_id = %s and data->>'message' like 'Backing up: %%') told""",
        UUID(accepted["task_id"]),
    )
    assert steps > 1


async def test_not_while_something_else_happens(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch()
    backup = f"/instances/{accepted['vm_uuid']}/backup"
    refused = await idle_cloud.customer.post(backup)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_state")
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
    await idle_cloud.customer.post(f"/instances/{accepted['vm_uuid']}/power-cycle")
    refused = await idle_cloud.customer.post(backup)
    message = "Cannot start backup: another operation is already in progress for this instance"
    assert (refused.status_code, refused.json()) == (409, {"error": "task_in_progress", "message": message})
    assert await idle_cloud.one("select count(*) from backups") == 0


async def test_where_there_is_no_backup_storage(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch()
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
    await idle_cloud.one("update hosts set backup_storage = null returning 1")
    refused = await idle_cloud.customer.post(f"/instances/{accepted['vm_uuid']}/backup")
    assert (refused.status_code, refused.json()["error"]) == (400, "backups_unavailable")
    assert (await listed(idle_cloud, accepted["vm_uuid"]))["storage"] is None


async def test_backups_outlive_their_instance(cloud: TestCloud) -> None:
    instance_id = await cloud.launched(name="short-lived")
    entry = await backed_up(cloud, instance_id)
    assert (await cloud.customer.delete(f"/instances/{instance_id}")).json()["status"] == "success"
    assert await cloud.leftovers() == CLEAN
    assert (await cloud.customer.get(f"/instances/{instance_id}/backups")).status_code == 404
    whole = (await cloud.customer.get("/backups")).json()
    assert (whole["total"], whole["total_size_bytes"]) == (1, entry["size_bytes"])
    (shown,) = whole["backups"]
    named = {"instance_id": instance_id, "instance_name": "short-lived", "instance_deleted": True}
    assert shown == {**entry, **named}
    (of_instance,) = (await cloud.customer.get("/backups/storage")).json()["by_instance"]
    assert {name: of_instance[name] for name in named} == named
    noted = await cloud.customer.put("/backups/notes", params={"volid": entry["volid"]}, json={"notes": "keep"})
    assert noted.status_code == 200
    deleted = await cloud.customer.delete("/backups", params={"volid": entry["volid"]})
    await cloud.completed(deleted.json()["task_id"])
    assert (await cloud.customer.get("/backups")).json() == {"backups": [], "total": 0, "total_size_bytes": 0}
    assert await volumes(cloud) == []


async def test_lists_have_the_newest_first(cloud: TestCloud) -> None:
    one, other = await cloud.launched(), await cloud.launched()
    made = [(await backed_up(cloud, each))["volid"] for each in (one, one, other)]
    entries = (await listed(cloud, one))["backups"]
    assert [each["volid"] for each in entries] == [made[1], made[0]]
    whole = (await cloud.customer.get("/backups")).json()
    assert sorted(each["volid"] for each in whole["backups"]) == sorted(made)
    moments = [each["created_at"] for each in whole["backups"]]
    assert moments == sorted(moments, reverse=True)


async def test_deletion_is_asked_for_once(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch()
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
        volid = (await backed_up(idle_cloud, accepted["vm_uuid"]))["volid"]
    deleted = await idle_cloud.customer.delete("/backups", params={"volid": volid})
    assert deleted.json()["status"] == "PENDING"
    (entry,) = (await listed(idle_cloud, accepted["vm_uuid"]))["backups"]
    assert entry["deleting"]
    again = await idle_cloud.customer.delete("/backups", params={"volid": volid})
    assert (again.status_code, again.json()["error"]) == (409, "delete_in_progress")
    noted = await idle_cloud.customer.put("/backups/notes", params={"volid": volid}, json={"notes": "?"})
    assert (noted.status_code, noted.json()["error"]) == (409, "delete_in_progress")
    # It holds nobody up.
    stopped = await idle_cloud.customer.post(f"/instances/{accepted['vm_uuid']}/force-shutdown")
    assert stopped.status_code == 200
    async with idle_cloud.worker():
        await idle_cloud.completed(deleted.json()["task_id"])
        await idle_cloud.completed(stopped.json()["task_id"])
    gone = await idle_cloud.customer.delete("/backups", params={"volid": volid})
    assert (gone.status_code, gone.json()["error"]) == (404, "backup_not_found")


async def test_nobody_else_s_backup_can_be_named(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = (await backed_up(cloud, instance_id))["volid"]
    account_id = await cloud.one("select account_id from instances where id = %s", UUID(instance_id))
    team_id = (await cloud.customer.post("/teams", json={"name": "Sales"})).json()["id"]
    now = cloud.parts.clock.now()
    async with transaction(cloud.parts.pool) as tx:
        key = await create_key(tx, account_id, "team", "owner", now, None, UUID(team_id))
    team = api_client(cloud.app, key)
    for outsider in (cloud.stranger, team):
        assert (await outsider.get("/backups")).json()["backups"] == []
        assert (await outsider.get("/backups/storage")).json()["by_instance"] == []
        for answer in (
            await outsider.get(f"/instances/{instance_id}/backups"),
            await outsider.post(f"/instances/{instance_id}/backup"),
            await outsider.delete("/backups", params={"volid": volid}),
            await outsider.put("/backups/notes", params={"volid": volid}, json={"notes": "mine"}),
        ):
            assert answer.status_code == 404
    await cloud.customer.put(f"/instances/{instance_id}/team", json={"team_id": team_id})
    (seen,) = (await team.get("/backups")).json()["backups"]
    assert seen["volid"] == volid
    assert (await team.delete("/backups", params={"volid": volid})).status_code == 200


async def test_notes_are_kept_with_the_backup(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = (await backed_up(cloud, instance_id))["volid"]
    (before,) = await volumes(cloud)
    for notes in ("before the upgrade", "two lines\nand a tab\t", "ümlaut 🦞", ""):
        changed = await cloud.customer.put("/backups/notes", params={"volid": volid}, json={"notes": notes})
        assert changed.json() == {"message": "Backup notes updated", "volid": volid, "notes": notes or None}
        (entry,) = (await listed(cloud, instance_id))["backups"]
        assert entry["notes"] == (notes or None)
        (after,) = await volumes(cloud)
        assert after.notes == (f"{before.notes}\n{notes}" if notes else before.notes)
        assert mark_of(after.notes) == mark_of(before.notes)


async def test_notes_that_are_none(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = (await backed_up(cloud, instance_id))["volid"]
    for wrong in ({}, {"notes": None}, {"notes": "x" * 2001}, {"notes": "a\x00b"}, {"notes": "\x1b[31m"}):
        refused = await cloud.customer.put("/backups/notes", params={"volid": volid}, json=wrong)
        assert (refused.status_code, refused.json()["error"]) == (422, "validation_error"), wrong
    unknown = await cloud.customer.put("/backups/notes", params={"volid": f"{volid}x"}, json={"notes": "?"})
    assert (unknown.status_code, unknown.json()["error"]) == (404, "backup_not_found")
    storage_is(cloud, gone=True)
    away = await cloud.customer.put("/backups/notes", params={"volid": volid}, json={"notes": "?"})
    assert (away.status_code, away.json()["error"]) == (503, "backup_storage_unavailable")
    assert (await listed(cloud, instance_id))["backups"][0]["notes"] is None


async def test_a_protected_backup_stays(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    volid = (await backed_up(cloud, instance_id))["volid"]
    pve = await cloud.parts.connections.to("px1")
    await pve._transport.put(pve._path("storage", "backup", "content", volid), {"protected": 1})
    deleted = await cloud.customer.delete("/backups", params={"volid": volid})
    task = await cloud.ended(deleted.json()["task_id"])
    message = "Failed to delete backup: it is protected against deletion"
    assert (task["status"], task["message"]) == ("FAILED", message)
    (entry,) = (await listed(cloud, instance_id))["backups"]
    assert (entry["protected"], entry["deleting"]) == (True, False)
    refused = await cloud.customer.delete("/backups", params={"volid": volid})
    assert (refused.status_code, refused.json()["error"]) == (409, "backup_protected")
    assert len(await volumes(cloud)) == 1
