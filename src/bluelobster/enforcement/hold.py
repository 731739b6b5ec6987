"""Hold an instance together with its account's standing: a payment comes before what is done, or after it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bluelobster.access.principal import Sight
from bluelobster.billing.standing import Standing
from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound
from bluelobster.instances.find import Found, find_instance, instance_not_found
from bluelobster.tasks.spawn import Origin

IDLE = "not exists (select from tasks t where t.instance_id = i.id and t.ended_at is null and t.holds_instance)"


@dataclass(frozen=True)
class Held:
    """An instance that stays as it is until the end of the transaction, and when it was suspended."""

    account_id: UUID
    instance: Found
    suspended_at: datetime | None


async def hold(tx: Tx, instance_id: UUID, *standings: Standing) -> Held | None:
    """A rented and idle instance whose account stands as one of `standings`; None where that is not so any more."""
    cursor = await tx.execute("select account_id from instances where id = %s", (instance_id,))
    row = await cursor.fetchone()
    if row is None:
        return None
    missing = instance_not_found(str(instance_id))
    try:
        instance = await find_instance(tx, Sight(row[0], None), str(instance_id), missing, lock=True)
    except NotFound:
        return None
    if instance.status != "rented" or not await stands(tx, row[0], *standings):
        return None
    cursor = await tx.execute(f"select i.suspended_at from instances i where i.id = %s and {IDLE}", (instance_id,))
    idle = await cursor.fetchone()
    return Held(row[0], instance, idle[0]) if idle else None


async def stands(tx: Tx, account_id: UUID, *standings: Standing) -> bool:
    """Whether an account stands as one of these. It stays so until the end of `tx`."""
    cursor = await tx.execute("select standing from accounts where id = %s for no key update", (account_id,))
    row = await cursor.fetchone()
    return row is not None and row[0] in standings


def origin_of(held: Held) -> Origin:
    """Nobody asked for it: on behalf of the account, by nobody's key."""
    return Origin(held.account_id, None, None)
