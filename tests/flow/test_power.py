"""Power operations, and who waits for whom."""

import asyncio
from typing import Any

import pytest

from cloud import TestCloud, eventually
from pvelocal.faults import Fault


async def power(cloud: TestCloud, instance_id: str) -> str:
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    return str(shown["power_status"])


async def do(cloud: TestCloud, instance_id: str, action: str) -> dict[str, Any]:
    answer = await cloud.customer.post(f"/instances/{instance_id}/{action}")
    assert answer.status_code == 200, answer.text
    return await cloud.ended(answer.json()["task_id"])


async def test_off_and_on_again(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    for action, power_status in (
        ("shutdown", "stopped"),
        ("power-on", "running"),
        ("force-shutdown", "stopped"),
        ("power-cycle", "running"),
    ):
        assert (await do(cloud, instance_id, action))["status"] == "COMPLETED"
        assert await power(cloud, instance_id) == power_status


async def test_what_is_so_already_is_complete_at_once(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    answer = (await cloud.customer.post(f"/instances/{instance_id}/power-on")).json()
    assert answer["status"] == "COMPLETED"
    assert (await cloud.ended(answer["task_id"]))["message"] == "VM is running already"
    await do(cloud, instance_id, "shutdown")
    assert (await cloud.customer.post(f"/instances/{instance_id}/shutdown")).json()["status"] == "COMPLETED"


async def test_a_stopped_machine_is_not_rebooted(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    await do(cloud, instance_id, "force-shutdown")
    answer = await cloud.customer.post(f"/instances/{instance_id}/reboot")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_state")


async def test_a_guest_that_ignores_the_button_is_never_forced(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    cloud.node.faults.add(
        Fault("task-fails", "POST", "/status/shutdown$", message="VM quit/powerdown failed - got timeout")
    )
    task = await do(cloud, instance_id, "shutdown")
    assert task["status"] == "FAILED"
    assert "force-shutdown" in task["message"]
    assert await eventually(lambda: is_power(cloud, instance_id, "running"))


async def is_power(cloud: TestCloud, instance_id: str, wanted: str) -> bool:
    return await power(cloud, instance_id) == wanted


async def test_a_guest_that_stops_by_itself_is_noticed(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
    await cloud.hypervisor.stop(vmid)
    assert await eventually(lambda: is_power(cloud, instance_id, "stopped"))


@pytest.mark.parametrize(
    ("method", "action", "status", "code"),
    [
        ("POST", "/reboot", 409, "operation_in_progress"),
        ("POST", "/shutdown", 400, "invalid_state"),
        ("POST", "/force-shutdown", 400, "invalid_state"),
        ("POST", "/power-on", 400, "invalid_state"),
        ("POST", "/power-cycle", 400, "invalid_state"),
        ("DELETE", "", 400, "invalid_state"),
    ],
)
async def test_one_operation_at_a_time(cloud: TestCloud, method: str, action: str, status: int, code: str) -> None:
    instance_id = await cloud.launched()
    cloud.node.faults.add(Fault("task-hangs", "POST", "/status/stop$"))
    await cloud.customer.post(f"/instances/{instance_id}/power-cycle")
    answer = await cloud.customer.request(method, f"/instances/{instance_id}{action}")
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert (await cloud.customer.put(f"/instances/{instance_id}/rename", json={"name": "meanwhile"})).status_code == 200


async def test_two_who_ask_at_once_do_not_both_get_it(idle_cloud: TestCloud) -> None:
    async with idle_cloud.worker():
        instance_id = await idle_cloud.launched()
    asked = [idle_cloud.customer.post(f"/instances/{instance_id}/power-cycle") for _ in range(5)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]


async def test_a_slow_deletion_is_answered_before_clients_lose_patience(
    cloud: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance_id = await cloud.launched()
    monkeypatch.setattr("bluelobster.instances.answers.PATIENCE_SECONDS", 0.1)
    cloud.node.faults.add(Fault("delay", "DELETE", seconds=1.0))
    answer = (await cloud.customer.delete(f"/instances/{instance_id}")).json()
    assert answer["status"] == "PENDING"
    assert (await cloud.completed(answer["task_id"]))["message"] == "Instance deleted successfully"


async def test_rename_follows_at_the_next_power_cycle(cloud: TestCloud) -> None:
    instance_id = await cloud.launched(name="before")
    vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
    client = await cloud.parts.connections.to("px1")
    renamed = await cloud.customer.put(f"/instances/{instance_id}/rename", json={"name": "after_this"})
    assert renamed.json()["new_name"] == "after_this"
    assert (await client.vm_config(vmid)).name == "before"
    await do(cloud, instance_id, "power-cycle")
    assert (await client.vm_config(vmid)).name == "after-this"
    for bad in ("ab", "x" * 65, "a b", "ä-ö-ü", "", None, 7):
        answer = await cloud.customer.put(f"/instances/{instance_id}/rename", json={"name": bad})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_name"), bad
    await cloud.launch(name="taken")
    answer = await cloud.customer.put(f"/instances/{instance_id}/rename", json={"name": "taken"})
    assert (answer.status_code, answer.json()["error"]) == (400, "name_taken")


async def test_stats_have_rates_and_totals(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    stats = (await cloud.customer.get(f"/instances/{instance_id}/stats")).json()
    assert stats["status"] == "running"
    assert stats["cpu"]["cores"] == 2
    assert stats["memory"]["total_bytes"] == 8 * 1024**3
    await do(cloud, instance_id, "force-shutdown")
    stopped = (await cloud.customer.get(f"/instances/{instance_id}/stats")).json()
    assert stopped["disk"]["read_bytes_sec"] == stopped["network"]["in_bytes_sec"] == stopped["uptime_seconds"] == 0
    cloud.node.faults.offline = True
    away = await cloud.customer.get(f"/instances/{instance_id}/stats")
    assert (away.status_code, away.json()["error"]) == (503, "stats_unavailable")


async def test_health_tells_when_no_host_answers(cloud: TestCloud) -> None:
    async def status() -> bool:
        health: dict[str, Any] = (await cloud.stranger.get("/health")).json()
        return bool(health["components"]["proxmox"] == "operational")

    assert await eventually(status)
    async with cloud.parts.pool.connection() as connection:
        await connection.execute("update hosts set seen_at = now() - interval '2 minutes', status = 'draining'")
    cloud.node.faults.offline = True
    await eventually(lambda: is_degraded(cloud))


async def is_degraded(cloud: TestCloud) -> bool:
    async with cloud.parts.pool.connection() as connection:
        await connection.execute("update hosts set seen_at = now() - interval '2 minutes'")
    health: dict[str, Any] = (await cloud.customer.get("/health")).json()
    return bool(health["status"] == "degraded" and health["components"]["proxmox"] == "unavailable")
