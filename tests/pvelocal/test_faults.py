"""Faults befall the calls they name, as often as they say, and leave the others alone."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from pvelocal.faults import Fault, read_fault

START = "/nodes/px1/qemu/101/status/start"


@pytest.fixture
async def machine(client: Any) -> Any:
    assert await client.create(101) == "OK"
    return client


async def test_error_comes_instead_of_acting(machine: Any) -> None:
    machine.running.faults.add(Fault("error", "POST", "status/start", status=595, message="no route to host"))
    response = await machine.call("POST", START)
    assert (response.status_code, response.reason_phrase) == (595, "no route to host")
    assert await machine.state(101) == "stopped"
    assert await machine.power(101, "start") == "OK"


async def test_nth_call_and_times(machine: Any) -> None:
    fault = machine.running.faults.add(Fault("error", "GET", "^/version$", nth=2, times=2))
    statuses = [(await machine.call("GET", "/version")).status_code for _ in range(5)]
    assert statuses == [200, 500, 500, 200, 200]
    assert (fault.seen, fault.fired) == (5, 2)


async def test_connection_dropped_before_acting(machine: Any) -> None:
    machine.running.faults.add(Fault("drop-before", "POST", "status/start"))
    with pytest.raises(httpx.TransportError):
        await machine.call("POST", START)
    assert await machine.state(101) == "stopped"


async def test_connection_dropped_after_acting(machine: Any) -> None:
    machine.running.faults.add(Fault("drop-after", "POST", "status/start"))
    with pytest.raises(httpx.TransportError):
        await machine.call("POST", START)
    task = (await machine.get("/cluster/tasks"))[0]
    assert task["type"] == "qmstart"
    assert await machine.end_of(task["upid"]) == "OK"
    assert await machine.state(101) == "running"


async def test_delay(machine: Any) -> None:
    machine.running.faults.add(Fault("delay", "GET", "/version", seconds=0.05))
    began = time.monotonic()
    assert (await machine.get("/version"))["release"] == "9.2"
    assert time.monotonic() - began >= 0.05


async def test_task_that_fails_without_acting(machine: Any) -> None:
    machine.running.faults.add(Fault("task-fails", "POST", "status/start", message="start failed: QEMU exited"))
    assert await machine.power(101, "start") == "start failed: QEMU exited"
    assert await machine.state(101) == "stopped"


async def test_task_that_fails_after_acting(machine: Any) -> None:
    machine.running.faults.add(Fault("task-fails-after", "POST", "status/start", message="timeout"))
    assert await machine.power(101, "start") == "timeout"
    assert await machine.state(101) == "running"


async def test_task_that_never_ends_until_it_is_stopped(machine: Any) -> None:
    machine.running.faults.add(Fault("task-hangs", "POST", "status/start"))
    upid = (await machine.call("POST", START)).json()["data"]
    await asyncio.sleep(0)
    assert (await machine.get(f"/nodes/px1/tasks/{upid}/status"))["status"] == "running"
    assert [task["upid"] for task in await machine.get("/nodes/px1/tasks", source="active")] == [upid]
    assert (await machine.call("DELETE", f"/nodes/px1/tasks/{upid}")).status_code == 200
    assert await machine.end_of(upid) == "received interrupt"
    assert await machine.state(101) == "stopped"


async def test_offline_node(machine: Any) -> None:
    machine.running.faults.offline = True
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            await machine.call("GET", "/version")
    machine.running.faults.clear()
    assert (await machine.get("/version"))["release"] == "9.2"


async def test_control_endpoint(machine: Any) -> None:
    url = f"{machine.running.url}/local/faults"
    assert (await machine.http.post(url, json={"kind": "error", "path": "/version"})).status_code == 200
    assert (await machine.call("GET", "/version")).status_code == 500
    listed = (await machine.http.get(url)).json()["data"]
    assert [(fault["kind"], fault["fired"]) for fault in listed["faults"]] == [("error", 1)]
    await machine.http.post(url, json={"offline": True})
    with pytest.raises(httpx.TransportError):
        await machine.call("GET", "/version")
    cleared = (await machine.http.delete(url)).json()["data"]
    assert (cleared["offline"], cleared["faults"]) == (False, [])
    assert (await machine.call("GET", "/version")).status_code == 200


async def test_control_endpoint_refuses(machine: Any) -> None:
    url = f"{machine.running.url}/local/faults"
    assert (await machine.http.get(url, headers={"Authorization": ""})).status_code == 401
    assert (await machine.http.post(url, json={"kind": "nonsense"})).status_code == 400
    assert (await machine.http.post(url, json={"kind": "error", "path": "("})).status_code == 400
    assert (await machine.http.post(url, content=b"{")).status_code == 400
    assert (await machine.http.put(url)).status_code == 405


@pytest.mark.parametrize("document", [{"kind": "error", "seen": 3}, {"kind": "error", "_pattern": 1}, {}])
def test_no_fault(document: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_fault(document)
