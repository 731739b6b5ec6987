"""Instances with schedules at any time of the calendar, and the job that runs them. Nobody makes the backups: a test
says when one has ended."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from bluelobster.access.principal import Sight
from bluelobster.backups.run_schedules import run_schedules
from bluelobster.backups.schedule import set_schedule, show_schedule
from bluelobster.backups.schedule_request import BackupScheduleCreate
from bluelobster.backups.slots import Rhythm
from bluelobster.db.pool import transaction
from cloud import TestCloud
from set_clock import SetClock


@dataclass
class Scheduled:
    """What a test works with."""

    cloud: TestCloud
    clock: SetClock
    sight: Sight
    instances: list[UUID] = field(default_factory=list)

    async def instance(self) -> UUID:
        """One more instance, running."""
        instance_id = UUID((await self.cloud.launch())["vm_uuid"])
        await self.run(
            "update instances set status = 'rented', power_status = 'running', ready_at = now() where id = %s",
            instance_id,
        )
        await self.end("create_instance")
        self.instances.append(instance_id)
        return instance_id

    async def schedule(self, instance_id: UUID, rhythm: Rhythm, **more: Any) -> None:
        """Set its schedule, now."""
        wanted = BackupScheduleCreate.model_validate({**vars(rhythm), **more})
        async with transaction(self.cloud.parts.pool) as tx:
            await set_schedule(tx, self.sight, str(instance_id), wanted, self.clock.now())

    async def shown(self, instance_id: UUID) -> dict[str, Any]:
        async with transaction(self.cloud.parts.pool) as tx:
            return await show_schedule(tx, self.sight, str(instance_id))

    async def look(self, moment: datetime | None = None) -> None:
        """What a worker does every minute, at a moment."""
        self.clock.at = moment or self.clock.at
        await run_schedules(self.cloud.parts.pool, self.clock)

    async def slots(self, instance_id: UUID) -> dict[datetime, str]:
        """What became of each slot."""
        return {slot: outcome for slot, outcome, _ in await self.rows(instance_id)}

    async def rows(self, instance_id: UUID) -> list[Any]:
        return await self.run(
            """select s.slot_at, s.outcome, b.requested_at from backup_slots s left join backups b on b.id = s.backup_id
               where s.instance_id = %s order by s.slot_at""",
            instance_id,
        )

    async def hold(self, instance_id: UUID) -> None:
        """Another operation runs on the instance."""
        await self.run(
            """insert into tasks (id, account_id, instance_id, operation, params, message, created_at, updated_at,
                                  deadline_at)
               select gen_random_uuid(), account_id, id, 'reboot_instance', '{}', '', now(), now(), now()
               from instances where id = %s""",
            instance_id,
        )

    async def end(self, operation: str) -> None:
        """Let what is under way of an operation be over."""
        await self.run(
            """update tasks set status = 'COMPLETED', ended_at = now() where operation = %s and ended_at is null""",
            operation,
        )

    async def events(self, kind: str) -> list[dict[str, Any]]:
        return [row[0] for row in await self.run("select data from events where kind = %s order by id", kind)]

    async def run(self, query: str, *values: Any) -> list[Any]:
        async with self.cloud.parts.pool.connection() as connection:
            cursor = await connection.execute(query, values)
            return await cursor.fetchall() if cursor.description else []
