"""Calls beyond those that were recorded: HTTP itself, tasks, storages, the agent, power."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from pvelocal.access import PRIVILEGES, Token
from pvelocal.machine import Capacity
from pvelocal.node import NodeSettings
from pvelocal.running import running_node
from pvelocal.simulated import Behaviour, SimulatedHypervisor
from pvelocal.tasks import Tasks

SECRET = "11111111-1111-4111-8111-111111111111"


async def test_json_bodies(client: Any) -> None:
    response = await client.http.post(
        "/nodes/px1/qemu", json={"vmid": 101, "onboot": True, "tags": ["a", "b"], "x": None}
    )
    assert await client.end_of(response.json()["data"]) == "OK"
    config = await client.get("/nodes/px1/qemu/101/config")
    assert (config["onboot"], config["tags"]) == (1, "a,b")


@pytest.mark.parametrize("body", [b"{", b"[1]"])
async def test_bad_json(client: Any, body: bytes) -> None:
    response = await client.http.post("/nodes/px1/qemu", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400


async def test_bodies_have_limits(client: Any) -> None:
    response = await client.http.post("/nodes/px1/qemu", data={"description": "x" * (1 << 20)})
    assert response.status_code == 501
    assert (await client.http.request("DELETE", "/nodes/px1/qemu/101", data={"purge": 1})).status_code == 501


async def test_unknown_paths(client: Any) -> None:
    for method, path in (("GET", "/nodes/px1/qemu/1/2/3/4/5"), ("PATCH", "/version"), ("POST", "/version")):
        response = await client.call(method, path)
        assert (response.status_code, response.reason_phrase) == (501, f"Method '{method} {path}' not implemented")
    outside = await client.http.get(f"{client.running.url}/")
    assert outside.status_code == 501


async def test_connections_are_kept(client: Any) -> None:
    for _ in range(3):
        await client.get("/version")
    assert len(client.http._transport._pool.connections) == 1


async def test_no_control_endpoint_unless_wanted(
    tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: Any
) -> None:
    async with running_node(tmp_path, hypervisor) as running, make_client(running) as client:
        assert (await client.http.get(f"{running.url}/local/faults")).status_code == 501


async def test_crash_of_a_call_says_nothing(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.running.node.machine, "describe", lambda: 1 / 0)
    response = await client.call("GET", "/nodes/px1/status")
    assert (response.status_code, response.json()["message"]) == (500, "internal error\n")


async def test_reported_capacity(tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: Any) -> None:
    settings = NodeSettings(data=tmp_path, capacity=Capacity(cores=64, memory_gb=512, disk_gb=4000))
    async with running_node(settings, hypervisor) as running, make_client(running) as client:
        (entry,) = await client.get("/nodes")
        assert (entry["maxcpu"], entry["maxmem"], entry["maxdisk"]) == (64, 512 << 30, 4000 << 30)
        status = await client.get("/nodes/px1/status")
        assert status["cpuinfo"]["cpus"] == 64
        assert 0 <= status["cpu"] <= 1
        assert (await client.get("/nodes/px1/storage", storage="local"))[0]["total"] == 4000 << 30
        assert await client.get("/nodes/px1/storage", storage="other") == []


async def test_resources_by_kind(client: Any) -> None:
    await client.create(101)
    kinds = {kind: await client.get("/cluster/resources", type=kind) for kind in ("vm", "node", "storage", "sdn")}
    assert {kind: [entry["id"] for entry in entries] for kind, entries in kinds.items()} == {
        "vm": ["qemu/101"],
        "node": ["node/px1"],
        "storage": ["storage/px1/local", "storage/px1/backup"],
        "sdn": ["network/px1/zone/localnetwork"],
    }


async def test_taken_id(client: Any) -> None:
    await client.create(100)
    assert await client.get("/cluster/nextid") == "101"
    response = await client.call("GET", "/cluster/nextid", vmid=100)
    assert response.json()["errors"] == {"vmid": "VM 100 already exists"}


async def test_agent(client: Any, hypervisor: SimulatedHypervisor) -> None:
    ping = "/nodes/px1/qemu/101/agent/ping"
    assert (await client.call("POST", ping)).json()["message"].startswith("Configuration file")
    await client.create(101, agent=0)
    await client.create(102)
    await client.power(101, "start")
    await client.power(102, "start")
    assert (await client.call("POST", ping)).reason_phrase == "No QEMU guest agent configured"
    hypervisor.special[102] = Behaviour(boot_seconds=3600)
    assert (await client.call("POST", ping.replace("101", "102"))).reason_phrase == "QEMU guest agent is not running"
    assert "freemem" not in await client.get("/nodes/px1/qemu/102/status/current")


async def test_stubborn_guest(client: Any, hypervisor: SimulatedHypervisor) -> None:
    await client.create(101)
    await client.power(101, "start")
    hypervisor.special[101] = Behaviour(boot_seconds=0, obeys_power_button=False)
    assert await client.power(101, "shutdown", timeout=0) == "VM quit/powerdown failed - got timeout"
    assert await client.power(101, "shutdown", timeout=0, forceStop=1) == "OK"
    assert await client.state(101) == "stopped"


@pytest.mark.parametrize("action", ["reset", "suspend", "resume", "reboot"])
async def test_only_for_running_guests(client: Any, action: str) -> None:
    path = f"/nodes/px1/qemu/101/status/{action}"
    missing = await client.call("POST", path)
    assert missing.reason_phrase == "unable to find configuration file for VM 101 on node 'px1'"
    await client.create(101)
    assert (await client.call("POST", path)).reason_phrase == "VM 101 not running"


@pytest.mark.parametrize("action", ["stop", "shutdown"])
async def test_missing_vm_fails_in_the_task(client: Any, action: str) -> None:
    assert await client.power(999, action) == "Configuration file 'nodes/px1/qemu-server/999.conf' does not exist"


async def test_volumes(client: Any, tmp_path: Path) -> None:
    content = "/nodes/px1/storage/local/content"
    await client.create(101)
    shown = await client.get(f"{content}/local:101%2Fvm-101-disk-0.qcow2")
    assert (shown["format"], shown["size"]) == ("qcow2", 64 << 20)
    assert (await client.get(f"{content}/import%2Ftiny.qcow2"))["format"] == "qcow2"
    for volume, reason in (
        ("local:import%2Fnosuch.qcow2", "volume 'local:import/nosuch.qcow2' does not exist"),
        ("local:101%2F..%2F..%2Ftoken", "unable to parse directory volume name '101/../../token'"),
        ("other:iso%2Fx.iso", "storage 'other' does not exist"),
    ):
        assert (await client.call("GET", f"{content}/{volume}")).reason_phrase == reason
    missing = await client.act("DELETE", f"{content}/local:iso%2Fx.iso")
    assert missing == f"disk image '{tmp_path}/template/iso/x.iso' does not exist"
    await client.act("DELETE", f"{content}/local:101%2Fvm-101-disk-0.qcow2")
    assert not (tmp_path / "images/101/vm-101-disk-0.qcow2").exists()
    refused = await client.call("GET", content, content="rootdir")
    assert refused.reason_phrase == "storage 'local' does not support content type 'rootdir'"


async def test_task_lists(client: Any) -> None:
    await client.create(101)
    await client.create(102, scsi0="local:0,import-from=local:import/nosuch.qcow2")
    await client.power(101, "start")
    tasks = "/nodes/px1/tasks"
    assert [task["type"] for task in await client.get(tasks, vmid=101)] == ["qmstart", "qmcreate"]
    assert [task["id"] for task in await client.get(tasks, errors=1)] == ["102"]
    assert [task["id"] for task in await client.get(tasks, typefilter="qmcreate", start=1, limit=1)] == ["101"]
    assert await client.get(tasks, userfilter="nobody") == []
    assert await client.get(tasks, since=2_000_000_000) == []
    assert len(await client.get(tasks, until=2_000_000_000, source="all")) == 3
    (newest, *_) = await client.get(tasks)
    log = (await client.call("GET", f"{tasks}/{newest['upid']}/log", start=1, limit=1)).json()
    assert log == {"data": [{"n": 2, "t": "TASK OK"}], "total": 2}


async def test_tasks_of_others(tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: Any) -> None:
    other = Token("other@pve", "t", SECRET, {"/vms": PRIVILEGES})
    async with running_node(tmp_path, hypervisor, tokens=[other]) as running, make_client(running) as root:
        await root.create(101)
        (task,) = await root.get("/cluster/tasks")
        async with make_client(running, other.header) as client:
            assert await client.get("/cluster/tasks") == []
            response = await client.call("GET", f"/nodes/px1/tasks/{task['upid']}/status")
            assert response.reason_phrase == "Permission check failed (/nodes/px1, Sys.Audit)"
            assert await client.power(101, "start") == "OK"
            assert [item["user"] for item in await client.get("/cluster/tasks")] == ["other@pve"]


async def nothing(_task: object) -> None:
    pass


async def test_a_journal_without_room(tmp_path: Path) -> None:
    """No task begins that is not written down, and once there is room all goes on."""
    tasks, token = Tasks("px1", tmp_path / "tasks.jsonl"), Token("root@pam", "t", SECRET)
    may_end = asyncio.Event()

    async def wait(_task: object) -> None:
        await may_end.wait()

    waiting = tasks.start("qmstart", "101", token, wait)
    roomy = tasks._journal
    with Path("/dev/full").open("ab", buffering=0) as full:  # noqa: ASYNC230 - it never waits
        tasks._journal = full
        with pytest.raises(OSError, match="No space left"):
            tasks.start("qmstart", "102", token, nothing)
        may_end.set()
        assert (await tasks.wait(waiting)).exit_status == "OK"
        tasks._journal = roomy
    assert [task.subject for task in tasks.newest()] == ["101"]

    tasks._limit = 0
    shorter = tmp_path / "tasks.new"
    shorter.symlink_to("/dev/full")
    await tasks.wait(tasks.start("qmstart", "103", token, nothing))
    shorter.unlink()
    await tasks.wait(tasks.start("qmstart", "104", token, nothing))
    await tasks.close()
    again = Tasks("px1", tmp_path / "tasks.jsonl")
    assert {task.subject: task.exit_status for task in again.newest()} == {
        "104": "OK",
        "103": "OK",
        "101": "OK",
    }
    await again.close()


async def test_journal_is_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvelocal.tasks._JOURNAL_LIMIT", 2000)
    monkeypatch.setattr("pvelocal.tasks._KEPT", 3)
    tasks = Tasks("px1", tmp_path / "tasks.jsonl")

    for number in range(50):
        upid = tasks.start("qmstart", str(number), Token("root@pam", "t", SECRET), nothing)
        await tasks.wait(upid)
    await tasks.close()
    assert (tmp_path / "tasks.jsonl").stat().st_size < 4000
    again = Tasks("px1", tmp_path / "tasks.jsonl")
    assert again.newest()[0].upid == upid
    assert again.get(upid).exit_status == "OK"
    await again.close()


async def test_a_task_that_crashes_says_how(tmp_path: Path) -> None:
    tasks = Tasks("px1", tmp_path / "tasks.jsonl")

    async def work(_task: object) -> None:
        raise ZeroDivisionError("division by zero")

    task = await tasks.wait(tasks.start("qmstart", "100", Token("root@pam", "t", SECRET), work))
    assert (task.exit_status, task.lines) == (
        "ZeroDivisionError: division by zero",
        ["TASK ERROR: ZeroDivisionError: division by zero"],
    )
    await tasks.close()


async def test_busy_vm(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvelocal.vms._LOCK_TIMEOUT", 0.01)
    await client.create(101)
    async with client.running.node.vms.get(101).locked():
        end = await client.power(101, "start")
        assert end == "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout"
    assert await client.power(101, "start") == "OK"


async def test_durable_node(tmp_path: Path, hypervisor: SimulatedHypervisor, make_client: Any) -> None:
    settings = NodeSettings(data=tmp_path, durable=True)
    async with running_node(settings, hypervisor) as running, make_client(running) as client:
        assert await client.create(101) == "OK"
        response = await client.http.post(
            "/nodes/px1/storage/local/upload", data={"content": "iso"}, files={"filename": ("a.iso", b"x")}
        )
        assert await client.end_of(response.json()["data"]) == "OK"
    async with running_node(settings, hypervisor) as running:
        assert 101 in running.node.vms


async def test_failed_login_is_delayed(tmp_path: Path, hypervisor: SimulatedHypervisor) -> None:
    settings = NodeSettings(data=tmp_path, failed_login_delay=3600)
    async with running_node(settings, hypervisor) as running:
        headers = {"Authorization": "PVEAPIToken=root@pam!local=wrong"}
        async with httpx.AsyncClient(base_url=running.url, headers=headers, verify=False, timeout=0.1) as http:  # noqa: S501
            with pytest.raises(httpx.ReadTimeout):
                await http.get("/api2/json/version")


async def test_permissions_on_a_path(client: Any) -> None:
    response = await client.http.get("/access/permissions", params={"path": "/vms/101"})
    permissions = response.json()["data"]
    assert set(permissions["/vms/101"]) == set(PRIVILEGES)
