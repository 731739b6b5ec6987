"""Storages that are full, or that vanish: a backup is whole or not there at all, and nothing is left of it."""

from typing import Any

import pytest

from local_backups import CONTENT, MIB, NODE, back_up, chunks, disk_of, dump, listed, remove, restore
from pvelocal.faults import StorageFault


@pytest.fixture
async def machine(client: Any) -> Any:
    """A client of a node with machine 101, of which there is a backup of one chunk; by now it has three more."""
    assert await client.create(101) == "OK"
    write(client, 0, b"a")
    await back_up(client)
    for offset in (8, 16, 24):
        write(client, offset, b"b%d" % offset)
    return client


def write(client: Any, mib: int, data: bytes) -> None:
    client.running.hypervisor.write(disk_of(client, 101), mib * MIB, data)


async def test_full_half_way(machine: Any) -> None:
    before = chunks(machine)
    machine.running.faults.befall_storage("backup", StorageFault(limit=13 * MIB))
    status, log = await dump(machine)
    assert status == "job errors"
    full = "inserting chunk on store 'backup' failed - ENOSPC: No space left on device"
    assert f"ERROR: Backup of VM 101 failed - {full}" in log
    assert (len(await listed(machine)), chunks(machine)) == (1, before)
    status = await machine.get(f"{NODE}/storage/backup/status")
    assert status["total"] == 13 * MIB
    assert 4 * MIB < status["used"] < 5 * MIB
    machine.running.faults.clear()
    await back_up(machine)
    assert len(chunks(machine)) == 4


async def test_no_room_for_the_index(machine: Any) -> None:
    used = (await machine.get(f"{NODE}/storage/backup/status"))["used"]
    machine.running.faults.befall_storage("backup", StorageFault(limit=used + 12 * MIB + 10))
    assert (await dump(machine))[0] == "job errors"
    assert (len(await listed(machine)), len(chunks(machine))) == (1, 1)
    assert (await machine.get(f"{NODE}/storage/backup/status"))["used"] == used


async def test_gone_half_way(machine: Any) -> None:
    machine.running.faults.befall_storage("backup", StorageFault(gone_after=5 * MIB))
    status, log = await dump(machine)
    assert status == "job errors"
    assert "ERROR: Backup of VM 101 failed - storage 'backup' is not online" in log
    status = await machine.get(f"{NODE}/storage/backup/status")
    assert (status["active"], status["total"]) == (0, 0)
    assert (await machine.call("GET", CONTENT)).reason_phrase == "storage 'backup' is not online"
    assert (await dump(machine))[0].startswith("could not activate storage 'backup': storage 'backup' is not online")
    machine.running.faults.clear()
    (entry,) = await listed(machine)
    assert await restore(machine, 102, entry["volid"]) == "OK"
    assert await remove(machine, entry["volid"]) == "OK"
    assert chunks(machine) == set()


async def test_through_the_control_endpoint(machine: Any) -> None:
    url = f"{machine.running.url}/local/faults"
    answer = await machine.http.post(url, json={"storage": "backup", "gone": True})
    assert answer.json()["data"]["storages"]["backup"]["gone"] is True
    assert (await machine.call("GET", CONTENT)).status_code == 500
    await machine.http.delete(url)
    assert len(await listed(machine)) == 1
    assert (await machine.http.post(url, json={"storage": "nosuch"})).status_code == 400
    assert (await machine.http.post(url, json={"storage": "backup", "nosuch": 1})).status_code == 400
