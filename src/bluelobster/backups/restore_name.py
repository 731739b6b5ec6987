"""The name that an instance has after a restore."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest
from bluelobster.instances.names import checked_name

LONGEST = 64


@dataclass(frozen=True)
class Naming:
    """How a restore shall name the instance; without any of it, it keeps its name. `source_name` is what the prefix
    stands before when there is no new name."""

    new_name: str | None = None
    prefix: bool = False
    source_name: str | None = None

    def name(self, backed_up: str, now: datetime) -> str | None:
        """The new name, or None for the old one; `backed_up` is the name of the instance that was backed up. What
        does not fit behind the prefix is cut off. Raises InvalidRequest."""
        if self.new_name is not None:
            checked_name(self.new_name)
        if not self.prefix:
            return self.new_name
        return checked_name(f"RESTORE-{now:%Y%m%d}-{self.new_name or self.source_name or backed_up}"[:LONGEST])


def taken(name: str) -> str:
    return f"An instance named {name} exists already; choose another name"


async def must_be_free(tx: Tx, account_id: UUID, instance_id: UUID, name: str) -> None:
    """Raises InvalidRequest where another live instance has the name."""
    cursor = await tx.execute(
        """select exists (select from instances where account_id = %s and name = %s and ended_at is null
                          and id <> %s)""",
        (account_id, name, instance_id),
    )
    row = await cursor.fetchone()
    if row is not None and row[0]:
        raise InvalidRequest("name_taken", taken(name))
