"""History and what it cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cloud import TestCloud
from pvelocal.faults import Fault


async def log(cloud: TestCloud, start: datetime, end: datetime) -> list[dict[str, Any]]:
    body = {"start_time": start.isoformat(), "end_time": end.isoformat()}
    answer = await cloud.customer.post("/instances/log", json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["instances"]
    assert answer.json()["total_records"] == len(found)
    return found


async def test_a_life_is_billed_from_ready_to_deleted(cloud: TestCloud) -> None:
    begin = datetime.now(UTC)
    instance_id = await cloud.launched(instance_type="gpu_1x_a4000")
    day = timedelta(days=1)
    [living] = await log(cloud, begin - day, begin + day)
    assert (living["uuid"], living["status"], living["deleted_at"]) == (instance_id, "rented", None)
    assert living["ip_address"].endswith("/25")
    async with cloud.parts.pool.connection() as connection:
        await connection.execute("update usage_periods set began_at = began_at - interval '19:38:33'")
    await cloud.customer.delete(f"/instances/{instance_id}")
    [past] = await log(cloud, begin - day, begin + day)
    assert past["status"] == "deleted"
    assert past["ip_address"] == living["ip_address"]
    assert (past["total_hours_billed"], past["total_billed_cents"]) == (19.5, 878)
    assert past["last_billed_at"] == past["deleted_at"] == past["updated_at"]
    assert await log(cloud, begin + day, begin + 2 * day) == []
    assert await log(cloud, begin - 2 * day, begin - day) == []


async def test_a_failed_launch_costs_nothing(cloud: TestCloud) -> None:
    cloud.node.faults.add(Fault("task-fails", "POST", r"/status/start$", times=None))
    accepted = await cloud.launch()
    await cloud.ended(accepted["task_id"])
    now = datetime.now(UTC)
    [failed] = await log(cloud, now - timedelta(days=1), now + timedelta(days=1))
    assert (failed["status"], failed["total_billed_cents"], failed["total_hours_billed"]) == ("failed", 0, 0)
    assert failed["first_billed_at"] is failed["last_billed_at"] is None
    assert await cloud.one("select count(*) from usage_periods") == 0


async def test_spans_that_cannot_be(idle_cloud: TestCloud) -> None:
    for start, end, message in (
        ("2026-01-01T00:00:00Z", "2026-04-02T00:00:00Z", "Maximum time range is 90 days"),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "start_time must be before end_time"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "start_time must be before end_time"),
    ):
        answer = await idle_cloud.customer.post("/instances/log", json={"start_time": start, "end_time": end})
        assert answer.status_code == 422
        assert answer.json() == {"error": "invalid_time_range", "message": message}
    for bad in ("yesterday", "2026-01-01T00:00:00", None, 7e99):
        answer = await idle_cloud.customer.post(
            "/instances/log", json={"start_time": bad, "end_time": "2026-01-02T00:00:00Z"}
        )
        assert (answer.status_code, answer.json()["error"]) == (422, "validation_error"), bad
