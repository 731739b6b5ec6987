"""An operation has its time from when it begins."""

from cloud import TestCloud, eventually

PAST = "update tasks set created_at = now() - interval '1 day', deadline_at = now() - interval '23 hours'"


async def test_what_waits_for_a_worker_has_not_failed(idle_cloud: TestCloud) -> None:
    """As where all workers were away: a deletion that failed untried would leave a machine that costs money."""
    launch = await idle_cloud.launch()
    await idle_cloud.one(f"{PAST} returning 1")
    async with idle_cloud.worker():
        await idle_cloud.completed(launch["task_id"])
    deletion = await idle_cloud.customer.delete(f"/instances/{launch['vm_uuid']}")
    await idle_cloud.one(f"{PAST} where ended_at is null returning 1")
    async with idle_cloud.worker():
        await idle_cloud.completed(deletion.json()["task_id"])


async def test_what_has_begun_does_not_begin_anew_with_another_worker(idle_cloud: TestCloud) -> None:
    idle_cloud.hypervisor.behaviour.agent_answers = False
    launch = await idle_cloud.launch()

    async def waits_for_the_guest() -> bool:
        said = (await idle_cloud.customer.get(f"/tasks/{launch['task_id']}")).json()["message"]
        return bool(said == "Waiting for the guest to boot")

    async with idle_cloud.worker():
        await eventually(waits_for_the_guest)
    await idle_cloud.one(f"{PAST} returning 1")
    async with idle_cloud.worker():
        task = await idle_cloud.ended(launch["task_id"])
    assert (task["status"], task["message"].endswith("took too long")) == ("FAILED", True)
