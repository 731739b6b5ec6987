"""The worker process: carries operations out, and keeps the records true."""

import asyncio
import os
from datetime import timedelta
from typing import Any

import click
import uvloop

from bluelobster.access.audit_log import forget_old_entries
from bluelobster.access.once import forget_old_answers
from bluelobster.backups.create import BACKUP
from bluelobster.backups.delete import DELETE_BACKUP
from bluelobster.backups.restore import RESTORE
from bluelobster.backups.run_schedules import forget_old_slots, run_schedules
from bluelobster.billing.bill import bill
from bluelobster.enforcement.enforce import enforce
from bluelobster.events.housekeeping import forget_old_events, put_events_in_order
from bluelobster.instances.delete import DELETE
from bluelobster.instances.launch import CREATE, CREATE_FROM_ISO
from bluelobster.instances.maintenance import carry_out
from bluelobster.instances.power import FORCE_SHUTDOWN, POWER_CYCLE, POWER_ON, REBOOT, SHUTDOWN
from bluelobster.ips.assign import ASSIGN_IP
from bluelobster.ips.release import RELEASE_IP
from bluelobster.isos.fetch import Fetcher
from bluelobster.logs import log_to_stderr
from bluelobster.parts import Parts, assembled
from bluelobster.payments.housekeeping import tidy_payments
from bluelobster.process import bring_up_to_date, keep_for_good, settings_from_environment, until_told_to_stop
from bluelobster.reconcile.backups import reconcile_backups
from bluelobster.reconcile.hosts import reconcile_hosts
from bluelobster.reconcile.replaced import remove_replaced_machines
from bluelobster.reconcile.strays import Strays
from bluelobster.settings import Settings
from bluelobster.stopping import stop
from bluelobster.tasks.engine import Engine
from bluelobster.tasks.housekeeping import forget_old_tasks
from bluelobster.tasks.operation import Operation
from bluelobster.tasks.periodic import Job, keep_doing
from bluelobster.tasks.turns import Turns
from bluelobster.tasks.worker import Worker
from bluelobster.users.sessions import forget_ended

NICENESS = 10

LIFE = (CREATE, CREATE_FROM_ISO, DELETE)
POWER = (REBOOT, SHUTDOWN, FORCE_SHUTDOWN, POWER_ON, POWER_CYCLE)
ADDRESSES = (ASSIGN_IP, RELEASE_IP)
BACKUPS = (BACKUP, RESTORE, DELETE_BACKUP)
OPERATIONS: dict[str, Operation[Any]] = {each.name: each for each in (*LIFE, *POWER, *ADDRESSES, *BACKUPS)}


@click.command()
def command() -> None:
    """Run a worker against the PostgreSQL that BLUELOBSTER_DATABASE_URL names."""
    settings = settings_from_environment()
    log_to_stderr(settings.log_level)
    bring_up_to_date(settings)
    # Where they share a machine, answers come before the work that was asked for.
    os.nice(NICENESS)
    keep_for_good()
    uvloop.run(until_told_to_stop(_work(settings)))


async def _work(settings: Settings) -> None:
    async with assembled(settings) as parts:
        await work(parts, settings)


def engine_of(parts: Parts) -> Engine:
    return Engine(
        parts.pool,
        parts.clock,
        OPERATIONS,
        parts.connections.to,
        parts.seal,
        Fetcher(parts.settings.isos),
        Turns(parts.settings.worker_slots),
    )


async def work(parts: Parts, settings: Settings) -> None:
    """Until cancelled: operations as they come, and the periodic jobs."""
    worker = Worker(
        engine_of(parts),
        settings.database_url,
        slots=settings.worker_slots,
        lease_seconds=settings.lease_seconds,
        poll_seconds=settings.poll_seconds,
    )
    strays = Strays()
    jobs = (
        Job(
            "reconcile hosts",
            settings.reconcile_seconds,
            lambda: reconcile_hosts(parts.pool, parts.connections, parts.clock, strays),
        ),
        Job(
            "remove replaced machines",
            settings.reconcile_seconds,
            lambda: remove_replaced_machines(parts.pool, parts.connections),
        ),
        Job("carry maintenance out", settings.reconcile_seconds, lambda: carry_out(parts.pool, parts.clock)),
        Job("run backup schedules", 60, lambda: run_schedules(parts.pool, parts.clock)),
        Job("forget old backup slots", 3600, lambda: forget_old_slots(parts.pool, parts.clock)),
        Job(
            "reconcile backups",
            settings.backup_reconcile_seconds,
            lambda: reconcile_backups(parts.pool, parts.connections, parts.clock),
        ),
        Job("forget old tasks", 3600, lambda: forget_old_tasks(parts.pool, parts.clock)),
        Job(
            "forget old answers",
            3600,
            lambda: forget_old_answers(parts.pool, parts.clock, timedelta(hours=settings.idempotency_hours)),
        ),
        Job("forget ended sessions", 3600, lambda: forget_ended(parts.pool, parts.clock, settings.session_idle)),
        Job("forget old audit entries", 3600, lambda: forget_old_entries(parts.pool, parts.clock, settings.audit_days)),
        Job("bill", settings.charge_seconds, lambda: bill(parts.pool, parts.clock)),
        Job("enforce", settings.enforce_seconds, lambda: enforce(parts.pool, parts.clock)),
        Job("tidy payments", 3600, lambda: tidy_payments(parts.pool, parts.clock)),
        Job("put events in order", 60, lambda: put_events_in_order(parts.pool)),
        Job("forget old events", 3600, lambda: forget_old_events(parts.pool, parts.clock, settings.event_days)),
    )
    working = [asyncio.create_task(keep_doing(job, parts.pool, parts.clock)) for job in jobs]
    working.append(asyncio.create_task(worker.work()))
    try:
        await asyncio.gather(*working)
    finally:
        await stop(*working)
