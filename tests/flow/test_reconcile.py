"""What a host was read to say does not undo what happened while it was being read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from bluelobster.catalog.hosts import Capacity, NewHost, find_host, save_host
from bluelobster.db.pool import transaction
from bluelobster.pve import Endpoint, PveClient, VmSummary
from bluelobster.reconcile.hosts import reconcile_hosts
from bluelobster.reconcile.replaced import remove_replaced_machines
from bluelobster.reconcile.strays import Strays
from cloud import TestCloud, eventually


async def power(cloud: TestCloud, instance_id: str) -> str:
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    return str(shown["power_status"])


async def force_off(cloud: TestCloud, instance_id: str) -> None:
    answer = await cloud.customer.post(f"/instances/{instance_id}/force-shutdown")
    await cloud.completed(answer.json()["task_id"])


async def test_a_reading_from_before_an_operation(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    instance_id = await cloud.launched()
    has_read, may_go_on, reads_again = asyncio.Event(), asyncio.Event(), asyncio.Event()
    read = PveClient.vms

    async def read_slowly(client: PveClient) -> list[VmSummary]:
        if has_read.is_set():
            reads_again.set()
            await asyncio.Event().wait()
        machines = await read(client)
        has_read.set()
        await may_go_on.wait()
        return machines

    monkeypatch.setattr(PveClient, "vms", read_slowly)
    async with asyncio.timeout(20):
        await has_read.wait()
        await force_off(cloud, instance_id)
        may_go_on.set()
        await reads_again.wait()
    assert await power(cloud, instance_id) == "stopped"


async def test_a_list_that_is_behind_the_times(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxmox gathers its list every ten seconds or so; only a machine's own status is of this moment."""
    instance_id = await cloud.launched()
    read = PveClient.vms
    passes = 0

    async def read_old(client: PveClient) -> list[VmSummary]:
        nonlocal passes
        passes += 1
        return [replace(machine, status="running") for machine in await read(client)]

    async def three_more() -> bool:
        return passes > 3

    monkeypatch.setattr(PveClient, "vms", read_old)
    await force_off(cloud, instance_id)
    passes = 0
    await eventually(three_more)
    assert await power(cloud, instance_id) == "stopped"


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """One that takes connections and says nothing; its address."""
    over = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        over.set()


@pytest.fixture
async def bad_hosts(idle_cloud: TestCloud) -> AsyncIterator[None]:
    """Two more hosts: one says nothing, the record of the other cannot be read."""
    parts = idle_cloud.parts
    async with silent_server() as url:
        async with transaction(parts.pool) as tx:
            for name in ("a-silent", "b-unreadable"):
                endpoint = Endpoint(url=url, token=f"root@pam!name={uuid4()}", fingerprint="00:" * 31 + "00")
                host = NewHost(name, "us-east-1", endpoint, name, "local", "vmbr0", Capacity(1, 1, 1))
                await save_host(tx, host, parts.seal, parts.clock.now())
            await tx.execute("update hosts set token_sealed = 'nonsense' where id = 'b-unreadable'")
        yield


@pytest.mark.usefixtures("bad_hosts")
async def test_hosts_that_hang_or_cannot_be_understood_keep_no_other_waiting(
    idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    parts = idle_cloud.parts
    monkeypatch.setattr("bluelobster.reconcile.hosts.HOST_SECONDS", 0.5)
    await reconcile_hosts(parts.pool, parts.connections, parts.clock, Strays())
    assert await idle_cloud.one("select seen_at is not null from hosts where id = 'px1'")
    assert "host a-silent: it takes longer than 0 s to answer" in caplog.text
    assert "host b-unreadable cannot be looked at" in caplog.text


async def test_a_machine_that_no_record_knows_is_told_once(
    idle_cloud: TestCloud, caplog: pytest.LogCaptureFixture
) -> None:
    """As after the database was brought back from a backup that is older than the machine."""
    parts, strays = idle_cloud.parts, Strays()

    async def told() -> list[str]:
        await reconcile_hosts(parts.pool, parts.connections, parts.clock, strays)
        return [record.getMessage() for record in caplog.records if record.name == "bluelobster.reconcile.strays"]

    async with idle_cloud.worker():
        instance_id = await idle_cloud.launched(name="forgotten")
        await idle_cloud.launched(name="known")
    assert await told() == []
    vmid = await idle_cloud.one("select vmid from instances where id = %s", instance_id)
    await idle_cloud.execute("update instances set vmid = 900000 where id = %s", instance_id)
    once = [f"host px1: machine {vmid} (forgotten) has our tag, but no instance knows it"]
    assert await told() == once
    assert await told() == once


async def test_a_machine_that_was_deleted_meanwhile_is_no_stray(
    cloud: TestCloud, caplog: pytest.LogCaptureFixture
) -> None:
    instance_id = await cloud.launched()
    async with cloud.parts.pool.connection() as connection:
        host = await find_host(connection, "px1")
    assert host is not None
    client = await cloud.parts.connections.to_host(host)
    before = await client.vms()
    await cloud.completed(await cloud.request_deletion(instance_id))
    await Strays().tell(cloud.parts.pool, client, host, before)
    assert "has our tag" not in caplog.text


@pytest.mark.usefixtures("bad_hosts")
async def test_their_replaced_machines_keep_no_other_s_room(
    idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bluelobster.reconcile.replaced.MACHINE_SECONDS", 0.5)
    launch = await idle_cloud.launch()
    used = await idle_cloud.one("select disk_gb_used from hosts where id = 'px1'")
    await idle_cloud.one(
        """insert into replaced_machines (vmid, host_id, instance_id, disk_gb, replaced_at)
           select 900000 + n, host, %s, 7, now()
           from unnest('{a-silent, b-unreadable, px1}'::text[]) with ordinality as hosts (host, n) returning 1""",
        UUID(launch["vm_uuid"]),
    )
    await idle_cloud.one("update hosts set disk_gb_used = disk_gb_used + 7 where id = 'px1' returning 1")
    await remove_replaced_machines(idle_cloud.parts.pool, idle_cloud.parts.connections)
    left = await idle_cloud.one("select array_agg(host_id order by host_id) from replaced_machines")
    assert left == ["a-silent", "b-unreadable"]
    assert await idle_cloud.one("select disk_gb_used from hosts where id = 'px1'") == used
    assert "machine 900001 of host a-silent, which instance" in caplog.text
