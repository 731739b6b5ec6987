"""The worker process: carries operations out, and keeps the records true."""

import asyncio

from bluelobster.app import Parts
from bluelobster.instances.delete import DELETE
from bluelobster.instances.launch import CREATE
from bluelobster.instances.power import FORCE_SHUTDOWN, POWER_CYCLE, POWER_ON, REBOOT, SHUTDOWN
from bluelobster.reconcile.hosts import reconcile_hosts
from bluelobster.settings import Settings
from bluelobster.tasks.engine import Engine
from bluelobster.tasks.housekeeping import forget_old_tasks
from bluelobster.tasks.periodic import Job, keep_doing
from bluelobster.tasks.worker import Worker

OPERATIONS = {
    operation.name: operation for operation in (CREATE, DELETE, REBOOT, SHUTDOWN, FORCE_SHUTDOWN, POWER_ON, POWER_CYCLE)
}


def engine_of(parts: Parts) -> Engine:
    return Engine(parts.pool, parts.clock, OPERATIONS, parts.connections.to, parts.seal)


async def work(parts: Parts, settings: Settings) -> None:
    """Until cancelled: operations as they come, and the periodic jobs."""
    worker = Worker(
        engine_of(parts),
        settings.database_url,
        slots=settings.worker_slots,
        lease_seconds=settings.lease_seconds,
        poll_seconds=settings.poll_seconds,
    )
    jobs = (
        Job(
            "reconcile hosts",
            settings.reconcile_seconds,
            lambda: reconcile_hosts(parts.pool, parts.connections, parts.clock),
        ),
        Job("forget old tasks", 3600, lambda: forget_old_tasks(parts.pool, parts.clock)),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.work())
        for job in jobs:
            group.create_task(keep_doing(job, parts.pool, parts.clock))
