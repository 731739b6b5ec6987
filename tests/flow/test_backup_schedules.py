"""Backup schedules through the API: set, changed, shown, refused, removed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from bluelobster.access.keys import create_key
from bluelobster.access.principal import Sight
from bluelobster.backups.schedule import set_schedule
from bluelobster.backups.schedule_request import BackupScheduleCreate
from bluelobster.db.pool import transaction
from cloud import TestCloud, api_client

DAY = timedelta(days=1)
DAILY = {"frequency": "daily", "hour_utc": 3}
WEEKLY = {"frequency": "weekly", "hour_utc": 0, "day_of_week": 6}
MONTHLY = {"frequency": "monthly", "hour_utc": 23, "day_of_month": 31}
NO_RULES = {"keep_last": None, "keep_daily": None, "keep_weekly": None, "keep_monthly": None}


@dataclass(frozen=True)
class Scheduled:
    """An instance whose schedule is asked for and set."""

    cloud: TestCloud
    instance_id: str

    @property
    def path(self) -> str:
        return f"/instances/{self.instance_id}/backup-schedule"

    async def set(self, **body: Any) -> dict[str, Any]:
        answer = await self.cloud.customer.post(self.path, json=body)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        assert shown == await self.show()
        return shown

    async def show(self) -> dict[str, Any]:
        answer = await self.cloud.customer.get(self.path)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def status(self) -> int:
        return (await self.cloud.customer.get(self.path)).status_code


@pytest.fixture
async def scheduled(idle_cloud: TestCloud) -> Scheduled:
    """Of an instance that is still being made: a schedule needs no operation."""
    return Scheduled(idle_cloud, (await idle_cloud.launch())["vm_uuid"])


def next_at(hour: int) -> datetime:
    """The next time that the clock shows the hour."""
    now = datetime.now(UTC)
    today = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today > now else today + DAY


async def test_a_daily_schedule(scheduled: Scheduled) -> None:
    assert await scheduled.set(**DAILY) == {
        "vm_uuid": scheduled.instance_id,
        "frequency": "daily",
        "hour_utc": 3,
        "day_of_week": None,
        "day_of_month": None,
        "enabled": True,
        "next_run_at": next_at(3).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "last_run_at": None,
        "last_status": None,
        **NO_RULES,
    }


async def test_a_weekly_and_a_monthly_schedule(scheduled: Scheduled) -> None:
    weekly = await scheduled.set(**WEEKLY)
    assert (weekly["frequency"], weekly["day_of_week"], weekly["day_of_month"]) == ("weekly", 6, None)
    sunday = datetime.fromisoformat(weekly["next_run_at"])
    assert (sunday.strftime("%A"), sunday.hour) == ("Sunday", 0)
    monthly = await scheduled.set(**MONTHLY)
    assert (monthly["frequency"], monthly["day_of_week"], monthly["day_of_month"]) == ("monthly", None, 31)
    last_day = datetime.fromisoformat(monthly["next_run_at"])
    assert ((last_day + DAY).day, last_day.hour) == (1, 23)


async def test_what_a_frequency_does_not_need_is_ignored(scheduled: Scheduled) -> None:
    shown = await scheduled.set(**DAILY, day_of_week=2, day_of_month=99)
    assert (shown["day_of_week"], shown["day_of_month"]) == (None, None)


async def test_there_is_one_schedule_and_it_changes(scheduled: Scheduled) -> None:
    await scheduled.set(**DAILY)
    assert (await scheduled.set(**{**DAILY, "hour_utc": 4}))["hour_utc"] == 4
    assert await scheduled.cloud.one("select count(*) from backup_schedules") == 1


async def test_it_can_be_switched_off_and_on(scheduled: Scheduled) -> None:
    on = await scheduled.set(**DAILY)
    off = await scheduled.set(**DAILY, enabled=False)
    assert off == {**on, "enabled": False, "next_run_at": None}
    assert await scheduled.set(**DAILY) == off, "what is left out stays as it is"
    assert await scheduled.set(**DAILY, enabled=True) == on


async def test_rules_of_retention_stay_until_they_are_taken_away(scheduled: Scheduled) -> None:
    rules = {"keep_last": 3, "keep_daily": 7, "keep_weekly": 4, "keep_monthly": 12}
    first = await scheduled.set(**DAILY, **rules)
    assert first | rules == first
    assert await scheduled.set(**DAILY, enabled=None) == first
    assert await scheduled.set(**DAILY, keep_last=None, keep_daily=14) == {**first, "keep_last": None, "keep_daily": 14}
    gone = await scheduled.set(**DAILY, **NO_RULES)
    assert gone | NO_RULES == gone


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"frequency": "hourly"}, "frequency", "must be one of daily, weekly, monthly, not 'hourly'"),
    ({"frequency": "Daily"}, "frequency", "must be one of daily, weekly, monthly, not 'Daily'; write daily"),
    ({"frequency": ""}, "frequency", "must be one of daily, weekly, monthly, not ''"),
    ({"hour_utc": 24}, "hour_utc", "must be 0 to 23, not 24; hours are those of UTC"),
    ({"hour_utc": -1}, "hour_utc", "must be 0 to 23, not -1; hours are those of UTC"),
    ({"hour_utc": 10**40}, "hour_utc", "must be 0 to 23, not a number of that size; hours are those of UTC"),
    ({"frequency": "weekly"}, "day_of_week", "a weekly schedule needs one; give 0 (Monday) to 6 (Sunday)"),
    ({**WEEKLY, "day_of_week": 7}, "day_of_week", "must be 0 to 6, not 7; 0 is Monday and 6 is Sunday"),
    ({"frequency": "monthly"}, "day_of_month", "a monthly schedule needs one; give 1 to 31"),
    (
        {**MONTHLY, "day_of_month": 0},
        "day_of_month",
        "must be 1 to 31, not 0; a shorter month uses its last day",
    ),
    (
        {**MONTHLY, "day_of_month": 32},
        "day_of_month",
        "must be 1 to 31, not 32; a shorter month uses its last day",
    ),
    ({"keep_last": 0}, "keep_last", "must be 1 to 1000, not 0; leave it out or null for no such rule"),
    ({"keep_monthly": 1001}, "keep_monthly", "must be 1 to 1000, not 1001; leave it out or null for no such rule"),
]


async def test_what_cannot_be_is_refused(scheduled: Scheduled) -> None:
    before = await scheduled.set(**DAILY)
    for body, field, why in REFUSED:
        answer = await scheduled.cloud.customer.post(scheduled.path, json={**DAILY, **body})
        refusal = {"error": "invalid_schedule", "message": f"{field}: {why}", "field": field}
        assert (answer.status_code, answer.json()) == (400, refusal)
    assert await scheduled.show() == before


async def test_what_is_no_schedule_is_unprocessable(scheduled: Scheduled) -> None:
    for body in ({}, {"frequency": "daily"}, {**DAILY, "hour_utc": "noon"}, {**DAILY, "enabled": 7}):
        answer = await scheduled.cloud.customer.post(scheduled.path, json=body)
        assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert await scheduled.status() == 404


async def test_it_is_removed(scheduled: Scheduled) -> None:
    await scheduled.set(**DAILY)
    answer = await scheduled.cloud.customer.delete(scheduled.path)
    assert answer.status_code == 200
    assert answer.json() == {"message": "Backup schedule deleted successfully", "vm_uuid": scheduled.instance_id}
    for method in ("GET", "DELETE"):
        answer = await scheduled.cloud.customer.request(method, scheduled.path)
        assert answer.status_code == 404
        message = f"Instance {scheduled.instance_id} has no backup schedule"
        assert answer.json() == {"error": "schedule_not_found", "message": message}


async def test_an_instance_that_is_not_there_has_none(scheduled: Scheduled) -> None:
    await scheduled.set(**DAILY)
    absent = f"/instances/{uuid4()}/backup-schedule"
    for client, path in ((scheduled.cloud.customer, absent), (scheduled.cloud.stranger, scheduled.path)):
        answers = [await client.get(path), await client.post(path, json=DAILY), await client.delete(path)]
        assert {(each.status_code, each.json()["error"]) for each in answers} == {(404, "instance_not_found")}
    assert await scheduled.status() == 200


async def test_a_viewer_reads_and_a_member_sets(scheduled: Scheduled) -> None:
    viewer, member = [await key_of(scheduled.cloud, role) for role in ("viewer", "member")]
    assert (await viewer.post(scheduled.path, json=DAILY)).status_code == 403
    assert (await member.post(scheduled.path, json=DAILY)).status_code == 200
    assert (await viewer.get(scheduled.path)).status_code == 200
    assert (await viewer.delete(scheduled.path)).status_code == 403
    assert (await member.delete(scheduled.path)).status_code == 200


async def key_of(cloud: TestCloud, role: Any) -> httpx.AsyncClient:
    now = cloud.parts.clock.now()
    account_id = await cloud.account_id()
    async with transaction(cloud.parts.pool) as tx:
        return api_client(cloud.app, await create_key(tx, account_id, "test", role, now))


async def test_a_deleted_instance_leaves_none(cloud: TestCloud) -> None:
    scheduled = Scheduled(cloud, await cloud.launched())
    await scheduled.set(**DAILY)
    await cloud.customer.delete(f"/instances/{scheduled.instance_id}")
    assert await scheduled.status() == 404
    assert await cloud.one("select count(*) from backup_schedules") == 0


async def test_a_failed_launch_leaves_none(idle_cloud: TestCloud) -> None:
    idle_cloud.hypervisor.behaviour.agent_answers = False
    accepted = await idle_cloud.launch()
    await Scheduled(idle_cloud, accepted["vm_uuid"]).set(**DAILY)
    async with idle_cloud.parts.pool.connection() as connection:
        await connection.execute("update tasks set status = 'PROCESSING', deadline_at = now()")
    async with idle_cloud.worker():
        assert (await idle_cloud.ended(accepted["task_id"]))["status"] == "FAILED"
    assert await idle_cloud.one("select count(*) from backup_schedules") == 0


async def test_setting_it_again_does_not_lose_a_slot_that_waits(scheduled: Scheduled) -> None:
    account_id = await scheduled.cloud.one("select account_id from instances")
    yesterday = next_at(3) - DAY - timedelta(minutes=1)

    async def set_at(now: datetime, hour: int) -> datetime:
        wanted = BackupScheduleCreate(frequency="daily", hour_utc=hour)
        async with transaction(scheduled.cloud.parts.pool) as tx:
            shown = await set_schedule(tx, Sight(account_id, None), scheduled.instance_id, wanted, now)
        return datetime.fromisoformat(shown["next_run_at"])

    due = await set_at(yesterday, 3)
    assert due == yesterday + timedelta(minutes=1)
    assert await set_at(due + timedelta(hours=1), 3) == due
    assert await set_at(due + timedelta(hours=1), 2) == due + timedelta(hours=23)
    assert await set_at(due + timedelta(hours=1), 3) == due + DAY
