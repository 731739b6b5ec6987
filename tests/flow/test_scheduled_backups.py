"""What a schedule asks for is really made, told of, and thinned out by the rules of retention."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from bluelobster.backups.run_schedules import run_schedules
from cloud import TestCloud, eventually
from event_streams import page
from pvelocal.faults import StorageFault
from set_clock import SetClock


@dataclass(frozen=True)
class Nightly:
    """An instance with a schedule."""

    cloud: TestCloud
    instance_id: str

    @property
    def path(self) -> str:
        return f"/instances/{self.instance_id}"

    async def set(self, **rules: Any) -> None:
        body = {"frequency": "daily", "hour_utc": 3, **rules}
        answer = await self.cloud.customer.post(f"{self.path}/backup-schedule", json=body)
        assert answer.status_code == 200, answer.text

    async def show(self) -> dict[str, Any]:
        shown: dict[str, Any] = (await self.cloud.customer.get(f"{self.path}/backup-schedule")).json()
        return shown

    async def run(self) -> datetime:
        """Let the next slot come, and be looked for until it was dealt with; when it was. An instance that somebody
        holds at that moment is passed over until the next look."""
        slot = datetime.fromisoformat((await self.show())["next_run_at"])

        async def look() -> bool:
            await run_schedules(self.cloud.parts.pool, SetClock(slot))
            return datetime.fromisoformat((await self.show())["next_run_at"]) > slot

        await eventually(look)
        return slot

    async def night(self) -> dict[str, Any]:
        """Let the next slot come; its task, once it has ended."""
        making = """select t.id::text from backup_slots s join tasks t using (backup_id)
                    where s.instance_id = %s and s.slot_at = %s and t.operation = 'backup_instance'"""
        return await self.cloud.ended(await self.cloud.one(making, self.instance_id, await self.run()))

    async def volids(self) -> list[str]:
        """Of its backups, the newest first."""
        return [each["volid"] for each in (await self.cloud.customer.get(f"{self.path}/backups")).json()["backups"]]

    async def left(self, *volids: str) -> bool:
        """Whether these are left, once no deletion is under way."""

        async def look() -> bool:
            return not await self.cloud.one("select count(*) from tasks where ended_at is null")

        await eventually(look)
        return sorted(await self.volids()) == sorted(volids)


@pytest.fixture
async def nightly(cloud: TestCloud) -> Nightly:
    nightly = Nightly(cloud, await cloud.launched())
    await nightly.set()
    return nightly


async def test_a_night_s_backup(nightly: Nightly) -> None:
    slot = (await nightly.show())["next_run_at"]
    task = await nightly.night()
    assert (task["status"], task["operation"]) == ("COMPLETED", "backup_instance")
    (backup,) = (await nightly.cloud.customer.get(f"{nightly.path}/backups")).json()["backups"]
    assert backup["scheduled"] is True
    shown = await nightly.show()
    assert (shown["last_run_at"], shown["last_status"]) == (slot, "completed")
    assert shown["next_run_at"] > slot


async def test_one_that_fails_is_told(nightly: Nightly) -> None:
    nightly.cloud.node.node.faults.befall_storage("backup", StorageFault(limit=1))
    slot = (await nightly.show())["next_run_at"]
    assert (await nightly.night())["message"] == "Failed to back up instance: the backup storage is full"
    shown = await nightly.show()
    assert (shown["last_run_at"], shown["last_status"]) == (slot, "failed: the backup storage is full")
    told = (await page(nightly.cloud.customer, kind="backup.failed"))["events"]
    assert [(each["instance_id"], each["data"]["scheduled"], each["actor"]) for each in told] == [
        (nightly.instance_id, True, "system")
    ]
    nightly.cloud.node.node.faults.befall_storage("backup", StorageFault())
    await nightly.night()
    assert (await nightly.show())["last_status"] == "completed"


async def test_what_no_rule_keeps_is_deleted(nightly: Nightly) -> None:
    await nightly.set(keep_last=1)
    accepted = await nightly.cloud.customer.post(f"{nightly.path}/backup")
    await nightly.cloud.completed(accepted.json()["task_id"])
    (own,) = await nightly.volids()
    await nightly.night()
    first, _ = await nightly.volids()
    assert await nightly.left(own, first)
    await nightly.night()
    second = (await nightly.volids())[0]
    assert await nightly.left(own, second), "only what the schedule made"
    deletions = (await nightly.cloud.customer.get("/tasks")).json()["tasks"]
    assert [each["status"] for each in deletions if each["operation"] == "delete_backup"] == ["COMPLETED"]


async def test_a_protected_one_stays(nightly: Nightly) -> None:
    await nightly.set(keep_last=1)
    await nightly.night()
    (first,) = await nightly.volids()
    async with nightly.cloud.parts.pool.connection() as connection:
        await connection.execute("update backups set protected = true")
    await nightly.night()
    second = (await nightly.volids())[0]
    assert await nightly.left(first, second)
    await nightly.night()
    third = (await nightly.volids())[0]
    assert await nightly.left(first, third)


async def test_without_rules_all_stay(nightly: Nightly) -> None:
    made = []
    for _ in range(2):
        await nightly.night()
        made.append((await nightly.volids())[0])
    assert await nightly.left(*made)


async def test_one_that_somebody_asked_for_says_nothing_of_the_schedule(nightly: Nightly) -> None:
    accepted = await nightly.cloud.customer.post(f"{nightly.path}/backup")
    await nightly.cloud.completed(accepted.json()["task_id"])
    shown = await nightly.show()
    assert (shown["last_run_at"], shown["last_status"]) == (None, None)


async def test_a_schedule_that_is_gone_by_then_is_not_missed(nightly: Nightly) -> None:
    nightly.cloud.node.node.faults.befall_storage("backup", StorageFault(seconds=0.5))
    await nightly.run()
    assert (await nightly.cloud.customer.delete(f"{nightly.path}/backup-schedule")).status_code == 200
    await nightly.cloud.completed(await nightly.cloud.one("select id::text from tasks where ended_at is null"))
    assert len(await nightly.volids()) == 1
