"""What is under way on a host that is in maintenance."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound

Stops = Literal["none", "shutdown", "force"]


@dataclass(frozen=True)
class Maintenance:
    """What is under way, and what becomes of the machines meanwhile. `force` does not ask the guests."""

    id: UUID
    host_id: str
    reason: str
    stops: Stops
    status_before: str
    began_at: datetime
    expected_end_at: datetime


async def find_maintenance(tx: Tx, host_id: str) -> Maintenance | None:
    async with tx.cursor(row_factory=class_row(Maintenance)) as cursor:
        await cursor.execute(
            """select id, host_id, reason, stops, status_before, began_at, expected_end_at from maintenances
               where host_id = %s and ended_at is null""",
            (host_id,),
        )
        return await cursor.fetchone()


async def get_maintenance(tx: Tx, host_id: str) -> Maintenance:
    """Raises NotFound."""
    found = await find_maintenance(tx, host_id)
    if found is None:
        raise NotFound("maintenance_not_found", f"Host {host_id[:64]} is not in maintenance")
    return found
