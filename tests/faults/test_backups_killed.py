"""A worker that is killed at any point of a backup, or of its deletion, leaves one backup or none: by the next one."""

from pathlib import Path
from urllib.parse import quote

from bluelobster.backups.create import BACKUP
from bluelobster.backups.delete import DELETE_BACKUP
from cloud import TestCloud
from faults.test_api_killed import POINTS, kill_api
from faults.test_worker_killed import kill_worker, points
from flow.test_backups import storage_is, volumes
from pvelocal.faults import Fault

UNDO_POINTS = [
    "gave_up acted",
    "undo:back_up before",
    "upid:undo:back_up:remove acted",
    "undo:back_up acted",
    "end acted",
]


async def launched(cloud: TestCloud) -> str:
    async with cloud.worker():
        return await cloud.launched()


async def begin(cloud: TestCloud, instance_id: str) -> str:
    """Ask for a backup; its task."""
    accepted = await cloud.customer.post(f"/instances/{instance_id}/backup")
    assert accepted.status_code == 200, accepted.text
    task_id: str = accepted.json()["task_id"]
    return task_id


async def kill_and_go_on(cloud: TestCloud, task_id: str, point: str, log: Path) -> str:
    """How the task ended, which one worker began and was killed at, and another one went on with."""
    log.unlink(missing_ok=True)
    await kill_worker(cloud, point, log)
    async with cloud.worker():
        return str((await cloud.ended(task_id))["status"])


async def must_agree(cloud: TestCloud, count: int, point: str) -> None:
    """Our record, the storage and what costs have so many backups, and nothing is locked."""
    listed = (await cloud.customer.get("/backups")).json()["backups"]
    assert sorted(each["volid"] for each in listed) == sorted(each.volid for each in await volumes(cloud)), point
    assert len(listed) == count, point
    assert await cloud.one("select count(*) from backup_usage_periods where ended_at is null") == count, point
    (vm,) = cloud.node.node.vms
    assert "lock" not in vm.config, point


async def test_killed_while_backing_up(idle_cloud: TestCloud, tmp_path: Path) -> None:
    log = tmp_path / "log"
    instance_id = await launched(idle_cloud)
    for count, point in enumerate(points(BACKUP), 1):
        task_id = await begin(idle_cloud, instance_id)
        assert await kill_and_go_on(idle_cloud, task_id, point, log) == "COMPLETED", point
        await must_agree(idle_cloud, count, point)
    assert log.read_text().splitlines() == points(BACKUP)


async def test_killed_while_the_hypervisor_goes_on(idle_cloud: TestCloud, tmp_path: Path) -> None:
    """Its task runs, and nobody knows which one it is."""
    instance_id = await launched(idle_cloud)
    storage_is(idle_cloud, seconds=5)
    task_id = await begin(idle_cloud, instance_id)
    point = "upid:do:back_up:backup acted"
    assert await kill_and_go_on(idle_cloud, task_id, point, tmp_path / "log") == "COMPLETED"
    await must_agree(idle_cloud, 1, point)
    (entry,) = (await idle_cloud.customer.get("/backups")).json()["backups"]
    assert entry["stored_bytes"] is not None


async def test_killed_while_undoing(idle_cloud: TestCloud, tmp_path: Path) -> None:
    log = tmp_path / "log"
    instance_id = await launched(idle_cloud)
    idle_cloud.node.faults.add(Fault("task-fails-after", "POST", r"/vzdump$", times=None, message="job errors"))
    # Before the decision is kept, there is a whole backup in the storage: the next worker takes it as made.
    for point in UNDO_POINTS[1:]:
        task_id = await begin(idle_cloud, instance_id)
        assert await kill_and_go_on(idle_cloud, task_id, point, log) == "FAILED", point
        await must_agree(idle_cloud, 0, point)
    assert log.read_text().splitlines()[-len(UNDO_POINTS) :] == UNDO_POINTS


async def test_killed_while_deleting(idle_cloud: TestCloud, tmp_path: Path) -> None:
    log = tmp_path / "log"
    instance_id = await launched(idle_cloud)
    tried = points(DELETE_BACKUP)
    async with idle_cloud.worker():
        for _ in tried:
            await idle_cloud.completed(await begin(idle_cloud, instance_id))
    made = [each["volid"] for each in (await idle_cloud.customer.get("/backups")).json()["backups"]]
    for left, (point, volid) in reversed(list(enumerate(zip(tried, made, strict=True)))):
        accepted = (await idle_cloud.customer.delete("/backups", params={"volid": volid})).json()
        assert await kill_and_go_on(idle_cloud, accepted["task_id"], point, log) == "COMPLETED", point
        await must_agree(idle_cloud, left, point)
        if point == "end acted":
            assert log.read_text().splitlines() == tried


async def test_an_api_killed_while_it_accepts(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    for count, point in enumerate(POINTS):
        await kill_api(cloud, point, "POST", f"/instances/{instance_id}/backup")
        if count:
            await cloud.completed(await cloud.one("select id::text from tasks where operation = 'backup_instance'"))
        await must_agree(cloud, count, point)
    (entry,) = (await cloud.customer.get("/backups")).json()["backups"]
    assert await cloud.one("select count(*) from backups") == 1
    for left, point in zip((1, 0), POINTS, strict=True):
        await kill_api(cloud, point, "DELETE", f"/backups?volid={quote(entry['volid'])}")
        if not left:
            await cloud.completed(await cloud.one("select id::text from tasks where operation = 'delete_backup'"))
        await must_agree(cloud, left, point)
