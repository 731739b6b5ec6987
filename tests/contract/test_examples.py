"""The answers of real flows have the keys and types of the contract's examples."""

import json
from pathlib import Path
from typing import Any

from cloud import TestCloud

PATHS = json.loads(Path(__file__).with_name("contract.json").read_text())["paths"]


EXAMPLE_ID = "550e8400-e29b-41d4-a716-446655440000"


def example(path: str, method: str, code: str) -> Any:
    return PATHS[f"/api/v1{path}"][method]["responses"][code]["application/json"]["example"]


def matches(ours: Any, theirs: Any, where: str = "") -> None:
    """Every key of the example is in the answer, with the same type; what is null in ours may be anything."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        for key, value in theirs.items():
            assert key in ours, f"{where}/{key} is missing"
            matches(ours[key], value, f"{where}/{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        for number, value in enumerate(ours):
            matches(value, theirs[min(number, len(theirs) - 1)], f"{where}/{number}")
    elif ours is not None:
        numbers = isinstance(ours, int | float) and isinstance(theirs, int | float)
        assert numbers or type(ours) is type(theirs), f"{where}: {ours!r} is not like {theirs!r}"


async def test_health(cloud: TestCloud) -> None:
    matches((await cloud.customer.get("/health")).json(), example("/health", "get", "200"))


async def test_catalog(cloud: TestCloud) -> None:
    data = (await cloud.customer.get("/instances/available")).json()["data"]
    by_id = {each["id"]: each for each in data}
    for theirs in example("/instances/available", "get", "200")["data"]:
        ours = by_id[theirs["id"]]
        assert ours["instance_type"] == theirs["instance_type"]
        matches(ours["regions_with_capacity_available"], theirs["regions_with_capacity_available"])
    assert by_id["gpu_4x_a5000"]["regions_with_capacity_available"] == []
    templates = (await cloud.customer.get("/instances/templates")).json()
    assert templates == {
        "templates": [
            {
                "name": "TINY-LINUX",
                "display_name": "Tiny Linux (Debian kernel, BusyBox)",
                "os_type": "linux",
                "has_docker": False,
                "has_nvidia_driver": False,
                "min_disk_gb": 1,
                "default_username": "lobster",
            }
        ],
        "total": 1,
    }


async def test_a_machine_s_life(cloud: TestCloud) -> None:
    accepted = await cloud.launch(
        instance_type="gpu_1x_a4000", metadata={"project": "a", "department": "b", "owner": "c"}
    )
    matches(accepted, example("/instances/launch-instance", "post", "200"))
    matches(await cloud.completed(accepted["task_id"]), example("/tasks/{task_id}", "get", "200"))
    instance = f"/instances/{accepted['vm_uuid']}"
    matches((await cloud.customer.get(instance)).json(), example("/instances/{instance_id}", "get", "200"))
    matches((await cloud.customer.get("/instances")).json(), example("/instances", "get", "200"))
    matches(
        (await cloud.customer.get(f"{instance}/stats")).json(), example("/instances/{instance_id}/stats", "get", "200")
    )
    renamed = await cloud.customer.put(f"{instance}/rename", json={"name": "my-production-server"})
    matches(renamed.json(), example("/instances/{instance_id}/rename", "put", "200"))
    for action in ("shutdown", "power-on", "power-cycle", "force-shutdown", "power-on"):
        answer = (await cloud.customer.post(f"{instance}/{action}")).json()
        matches(answer, example(f"/instances/{{instance_id}}/{action}", "post", "200"))
        assert answer["message"] == example(f"/instances/{{instance_id}}/{action}", "post", "200")["message"]
        await cloud.completed(answer["task_id"])
    rebooted = (await cloud.customer.post(f"{instance}/reboot")).json()
    matches(rebooted, example("/instances/{instance_id}/reboot", "post", "200"))
    assert rebooted["message"] == "Instance rebooted successfully"
    matches((await cloud.customer.get("/tasks")).json(), example("/tasks", "get", "200"))
    deleted = (await cloud.customer.delete(instance)).json()
    matches(deleted, example("/instances/{instance_id}", "delete", "200"))
    assert deleted["message"] == "Instance deleted successfully"


async def test_backups(cloud: TestCloud) -> None:
    instance = f"/instances/{await cloud.launched()}"
    accepted = (await cloud.customer.post(f"{instance}/backup")).json()
    matches(accepted, example("/instances/{instance_id}/backup", "post", "200"))
    assert accepted["message"] == "Backup started"
    await cloud.completed(accepted["task_id"])
    shown = (await cloud.customer.get(f"{instance}/backups")).json()
    assert shown["total"] == len(shown["backups"]) == 1
    matches(shown, example("/instances/{instance_id}/backups", "get", "200"))


async def test_errors(cloud: TestCloud) -> None:
    nothing = "6b1c2f5e-0000-4000-8000-000000000000"
    for method, path in (
        ("get", ""),
        ("delete", ""),
        ("post", "/reboot"),
        ("post", "/shutdown"),
        ("post", "/force-shutdown"),
        ("post", "/power-on"),
        ("post", "/power-cycle"),
        ("put", "/rename"),
        ("get", "/stats"),
        ("post", "/backup"),
        ("get", "/backups"),
    ):
        body = {"name": "new-name"} if method == "put" else None
        answer = await cloud.customer.request(method, f"/instances/{nothing}{path}", json=body)
        theirs = example(f"/instances/{{instance_id}}{path}", method, "404")
        assert answer.status_code == 404
        assert answer.json()["error"] == theirs["error"]
        assert answer.json()["message"] == theirs["message"].replace("vm-abc123", nothing).replace(EXAMPLE_ID, nothing)
    missing = await cloud.customer.get("/tasks/task_abc123")
    assert missing.status_code == 404
    assert missing.json() == example("/tasks/{task_id}", "get", "404")
    staff_only = await cloud.customer.get("/tasks?all_accounts=true")
    assert (staff_only.status_code, staff_only.json()) == (403, example("/tasks", "get", "403"))
