"""Custom launch and resources: exact sizes, for staff."""

from typing import Any

import pytest

from cloud import SSH_KEY, TestCloud, eventually

CUSTOM: dict[str, Any] = {
    "name": "workstation",
    "instance_type": "v1_cpu_medium",
    "host": "px1",
    "cores": 16,
    "memory": 64,
    "disk_size": 200,
    "gpu_count": 2,
    "template_name": "TINY-LINUX",
    "username": "ubuntu",
    "ssh_key": SSH_KEY,
}


async def ask(cloud: TestCloud, **changes: Any) -> tuple[int, dict[str, Any]]:
    body = {key: value for key, value in {**CUSTOM, **changes}.items() if value is not ...}
    answer = await cloud.staff.post("/instances/launch-custom", json=body)
    return answer.status_code, answer.json()


async def test_staff_launches_what_it_asks_for(cloud: TestCloud) -> None:
    before = (await cloud.staff.get("/resources")).json()["hosts"]["px1"]
    status, answer = await ask(cloud, metadata={"project": "a"}, price_cents_per_hour=1)
    assert status == 200, answer
    assert answer["next_steps"]["task_status_endpoint"].endswith(answer["task_id"])
    assert "data" not in answer

    async def ready() -> bool:
        task = (await cloud.staff.get(f"/tasks/{answer['task_id']}")).json()
        assert task["status"] != "FAILED", task
        return bool(task["status"] == "COMPLETED")

    await eventually(ready)
    shown = (await cloud.staff.get(f"/instances/{answer['vm_uuid']}")).json()
    assert (shown["cpu_cores"], shown["memory"], shown["storage"], shown["gpu_count"]) == (16, 64, 200, 2)
    assert (shown["gpu_model"], shown["price_cents_per_hour"]) == ("RTX A4000", 6)
    after = (await cloud.staff.get("/resources")).json()["hosts"]["px1"]
    assert before["cores_available"] - after["cores_available"] == 16
    assert before["memory_available"] - after["memory_available"] == 64
    assert before["storage_available"] - after["storage_available"] == 200
    assert (before["gpus_available"], after["gpus_available"]) == (2, 0)


async def test_resources_have_the_documented_shape(idle_cloud: TestCloud) -> None:
    assert (await idle_cloud.staff.get("/resources")).json() == {
        "hosts": {
            "px1": {
                "city": "Wilmington",
                "state": "DE",
                "region": "us-east-1",
                "status": "available",
                "cores_available": 256,
                "memory_available": 1024,
                "storage_available": 20_000,
                "gpu_model": "A4000",
                "gpus_available": 2,
            }
        }
    }


async def test_all_broken_rules_are_told_at_once(idle_cloud: TestCloud) -> None:
    status, answer = await ask(
        idle_cloud, cores=3, memory=9, disk_size=30, host="nowhere", instance_type="none", template_name="NONE"
    )
    assert (status, answer["error"], answer["message"]) == (400, "invalid_request", "Invalid resource specifications")
    assert answer["details"]["memory"] == "Must be an even number between 8 and 512"
    assert answer["details"]["cores"] == "Must be a power of 2 between 1 and 64"
    assert set(answer["details"]) == {"cores", "memory", "disk_size", "host", "instance_type", "template_name"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"template_name": ...}, "template_name"),
        ({"iso_url": "https://example.com/a.iso"}, "iso_url"),
        ({"template_name": ..., "iso_url": "ftp://example.com/a.iso"}, "iso_url"),
        ({"ssh_key": ...}, "ssh_key"),
        ({"username": "Root"}, "username"),
        ({"username": "root"}, "username"),
    ],
)
async def test_a_broken_rule_names_its_field(idle_cloud: TestCloud, changes: dict[str, Any], field: str) -> None:
    status, answer = await ask(idle_cloud, **changes)
    assert (status, list(answer["details"])) == (400, [field])


@pytest.mark.parametrize(
    "changes", [{"cores": 65}, {"memory": 514}, {"gpu_count": 9}, {"disk_size": 29}, {"name": ...}, {"cores": "many"}]
)
async def test_what_does_not_fit_the_schema_is_unprocessable(idle_cloud: TestCloud, changes: dict[str, Any]) -> None:
    assert (await ask(idle_cloud, **changes))[0] == 422


async def test_no_room_tells_what_is_left(idle_cloud: TestCloud) -> None:
    status, answer = await ask(idle_cloud, gpu_count=3)
    assert (status, answer["error"]) == (409, "resource_conflict")
    assert answer["available_resources"] == {"cores": 256, "memory": 1024, "storage": 20_000, "gpus": 2}


async def test_customers_may_not(idle_cloud: TestCloud) -> None:
    for answer in (
        await idle_cloud.customer.post("/instances/launch-custom", json=CUSTOM),
        await idle_cloud.customer.get("/resources"),
    ):
        assert answer.status_code == 403
        assert answer.json() == {"error": "forbidden", "message": "Staff permission required"}
