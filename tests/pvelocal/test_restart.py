"""A node that ends, or is killed at any moment, is found again as it was."""

import asyncio
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pvelocal.node import NodeSettings
from pvelocal.running import AlreadyRunning, running_node
from pvelocal.simulated import SimulatedHypervisor

SOURCE = Path(__file__).parents[2] / "src"


class Process:
    """`python -m pvelocal` in a process of its own."""

    def __init__(self, data: Path, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.document = json.loads((data / "node.json").read_bytes())
        self.http = httpx.AsyncClient(
            base_url=self.document["url"] + "/api2/json",
            headers={"Authorization": f"PVEAPIToken={self.document['token']}"},
            verify=ssl.create_default_context(cafile=str(data / "certificate.pem")),
        )

    async def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        await self.process.wait()

    async def call(self, method: str, path: str, **data: str) -> Any:
        response = await self.http.request(method, path, **({"data": data} if data else {}))  # type: ignore[arg-type]
        return response.json()["data"]

    async def wait(self, upid: str) -> str:
        async with asyncio.timeout(5):
            while True:
                status = await self.call("GET", f"/nodes/px1/tasks/{upid}/status")
                if status["status"] == "stopped":
                    return str(status["exitstatus"])
                await asyncio.sleep(0.01)


async def spawn(data: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pvelocal", "--data", str(data), "--guests", "simulated", "--faults", *options,
        env=os.environ | {"PYTHONPATH": str(SOURCE)}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@asynccontextmanager
async def node(data: Path, *options: str) -> AsyncIterator[Process]:
    process = await spawn(data, *options)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
        assert line.startswith(b"pvelocal: node px1 listens on https://127.0.0.1:"), await process.communicate()
        running = Process(data, process)
        async with running.http:
            yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_killed_while_creating(tmp_path: Path) -> None:
    async with node(tmp_path, "--gpu", "A4000=RTX A4000:2") as first:
        assert await first.wait(await first.call("POST", "/nodes/px1/qemu", vmid="100", scsi0="local:1")) == "OK"
        assert await first.wait(await first.call("POST", "/nodes/px1/qemu/100/status/start")) == "OK"
        control = first.document["url"] + "/local/faults"
        await first.http.post(control, json={"kind": "task-hangs", "method": "POST", "path": "/qemu$"})
        upid = await first.call("POST", "/nodes/px1/qemu", vmid="101", scsi0="local:1")
        half = await first.call("GET", "/nodes/px1/qemu/101/status/current")
        assert half["lock"] == "create"
        config = await first.call("GET", "/nodes/px1/qemu/100/config")
        refused = await spawn(tmp_path)
        assert (await refused.communicate())[1] == f"pvelocal: another node is running on {tmp_path}\n".encode()
        assert refused.returncode == 1
        await first.end(signal.SIGKILL)
    (tmp_path / "uploads" / "half").write_bytes(b"x")
    async with node(tmp_path, "--keep-guests") as second:
        assert {**second.document, "url": "", "pid": 0} == {**first.document, "url": "", "pid": 0}
        resources = await second.call("GET", "/cluster/resources?type=vm")
        assert [(vm["vmid"], vm["status"]) for vm in resources] == [(100, "running")]
        assert await second.call("GET", "/nodes/px1/qemu/100/config") == config
        assert await second.wait(upid) == "unexpected status"
        assert not list((tmp_path / "uploads").iterdir())
        assert [path.name for path in (tmp_path / "images").iterdir()] == ["100"]
        await second.end(signal.SIGTERM)
    async with node(tmp_path) as third:
        state = await third.call("GET", "/nodes/px1/qemu/100/status/current")
        assert state["status"] == "running"
        await third.end(signal.SIGINT)
        assert third.process.returncode == 0
    async with running_node(tmp_path, SimulatedHypervisor(tmp_path / "run")) as fourth:
        assert await fourth.hypervisor.state(100) == "stopped"
        assert 100 in fourth.node.vms
    assert ((tmp_path / "node.json").stat().st_mode & 0o777) == 0o600
    assert third.document["guests"] == "simulated"
    assert third.document["ssh_port"] == 22


async def test_second_node_is_refused(tmp_path: Path, client: Any) -> None:
    with pytest.raises(AlreadyRunning, match=str(tmp_path)):
        async with running_node(tmp_path, SimulatedHypervisor(tmp_path / "other")):
            pass
    assert (await client.get("/version"))["release"] == "9.2"


async def test_stale_locks_are_cleared(tmp_path: Path, client: Any) -> None:
    assert await client.create(101) == "OK"
    vm = client.running.node.vms.get(101)
    vm.config["lock"] = "backup"
    client.running.node.vms.save(vm)
    found = NodeSettings(data=tmp_path / "other")
    (tmp_path / "other" / "vms").mkdir(parents=True)
    (tmp_path / "vms" / "101.json").rename(tmp_path / "other" / "vms" / "101.json")
    async with running_node(found, SimulatedHypervisor(tmp_path / "other" / "run")) as other:
        assert "lock" not in other.node.vms.get(101).config


async def test_torn_journal(tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text(
        '{"upid": "UPID:px1:00000BB8:00000001:6B041695:qmstart:101:root@pam!t1:"}\n{"upid": "UPI', encoding="utf-8"
    )
    async with running_node(tmp_path, SimulatedHypervisor(tmp_path / "run")) as running:
        (task,) = running.node.tasks.newest()
        assert (task.exit_status, task.pid) == ("unexpected status", 3000)
        assert (tmp_path / "tasks.jsonl").read_text(encoding="utf-8").count("\n") == 1


@pytest.mark.parametrize(
    ("folder", "then"), [("vms", "the node then starts without machine 100"), ("firewall", "machine 100 then has no")]
)
async def test_a_damaged_file_is_named(tmp_path: Path, folder: str, then: str) -> None:
    (tmp_path / folder).mkdir()
    damaged = tmp_path / folder / "100.json"
    damaged.write_text("")
    refused = await spawn(tmp_path)
    said = (await refused.communicate())[1].decode()
    assert said.startswith(f"pvelocal: {damaged} is damaged: ")
    assert then in said
    assert len(said.splitlines()) == 1
    assert refused.returncode == 1
