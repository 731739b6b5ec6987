"""What an operator types on an empty database, up to the first machine of the first customer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from admin.place import REGION, image, reach
from admin.shell import Shell
from bluelobster.app import attach, create_app
from bluelobster.parts import assembled
from bluelobster.settings import Settings
from bluelobster.worker import work
from cloud import SSH_KEY, api_client, eventually
from pvelocal.running import RunningNode

REQUEST = {
    "region": "us-east-1",
    "instance_type": "gpu",
    "template_name": "TINY-LINUX",
    "username": "lobster",
    "ssh_key": SSH_KEY,
    "name": "first",
}


def test_from_nothing_to_a_machine(shell: Shell, node: RunningNode) -> None:
    shell.does("account add acme")
    assert shell.does("account credit acme 25").strip() == "$25.00 credited to acme"
    key = shell.does("key add acme").strip()
    for line in (
        REGION,
        "pool add us-east-1 192.0.2.0/24 --gateway 192.0.2.1 --first 192.0.2.10",
        f"host add px1 {reach(node)}",
        "gpu model A4000 --marketing 'RTX A4000' --description 'NVIDIA RTX A4000 (16GB VRAM)'",
        "gpu add px1 A4000 a4000-0 a4000-1",
        "type add gpu --description 'One' --cents 45 --vcpus 9 --memory-gb 8 --disk-gb 50 --gpus 1 --gpu-model A4000",
        f"template add TINY-LINUX --file {image('tiny.qcow2')}",
    ):
        shell.does(line)
    shown = asyncio.run(launched(key))
    assert (shown["name"], shown["ip_address"], shown["power_status"]) == ("first", "192.0.2.10", "running")
    assert (shown["gpu_model"], shown["price_cents_per_hour"]) == ("RTX A4000", 45)

    _, first, _ = (line.split() for line in shell.does("gpu list").splitlines())
    assert first == ["px1", "a4000-0", "A4000", shown["uuid"]]
    assert shell.does("host list").splitlines()[1].split()[3:6] == ["9/32", "8/64", "50/1000"]
    assert shell.does("pool list").splitlines()[1].split()[3:] == ["245", "1"]
    assert shell.refuses("host remove px1") == "on host px1 there are instances (1): it cannot be removed"
    fewer = shell.refuses(f"host add px1 {reach(node)} --vcpu-overcommit 1")
    assert fewer == "its machines have more vCPUs already than the host would then have to promise"
    asyncio.run(delete(key, shown["uuid"]))
    assert shell.does("host list").splitlines()[1].split()[3:6] == ["0/32", "0/64", "0/1000"]


@asynccontextmanager
async def api_and_worker(key: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(poll_seconds=0.1)
    app = create_app(settings)
    async with assembled(settings) as parts:
        attach(app, parts)
        working = asyncio.create_task(work(parts, settings))
        try:
            yield api_client(app, key)
        finally:
            working.cancel()
            await asyncio.wait([working])


async def launched(key: str) -> dict[str, Any]:
    """The machine as its customer sees it once it is ready."""
    async with api_and_worker(key) as client:
        accepted = (await client.post("/instances/launch-instance", json=REQUEST)).json()

        async def completed() -> bool:
            task = (await client.get(f"/tasks/{accepted['task_id']}")).json()
            assert task["status"] != "FAILED", task
            return bool(task["status"] == "COMPLETED")

        await eventually(completed)
        shown: dict[str, Any] = (await client.get(f"/instances/{accepted['vm_uuid']}")).json()
        return shown


async def delete(key: str, instance_id: str) -> None:
    async with api_and_worker(key) as client:
        answer = await client.delete(f"/instances/{instance_id}")
        assert answer.json()["status"] == "success"
