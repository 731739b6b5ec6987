"""Prices, in cents, each for a time. A change acts on what is begun from then on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from psycopg.rows import class_row

from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound

Item = Literal["ip_address_month", "backup_gb_month"]
ITEMS: tuple[Item, ...] = get_args(Item)
INSTANCE_HOUR = "instance_hour"


@dataclass(frozen=True)
class Price:
    """What an item costs, or an hour of an instance type, from a moment on until another; None where it is open."""

    item: str
    instance_type: str | None
    cents: int
    since: datetime | None
    until: datetime | None

    @property
    def name(self) -> str:
        return self.instance_type or self.item

    def holds(self, moment: datetime) -> bool:
        """Whether it is the price at a moment."""
        return (self.since is None or self.since <= moment) and (self.until is None or moment < self.until)


async def price_of(tx: Tx, item: Item, now: datetime) -> int:
    """What one costs now."""
    cursor = await tx.execute("select cents from prices where item = %s and during @> %s", (item, now))
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"{item} has no price")
    return int(row[0])


async def price_history(tx: Tx) -> list[Price]:
    """All prices that were, are and will be, of all that is on sale, oldest first."""
    return await _prices(tx, "true", None)


async def current_prices(tx: Tx, now: datetime) -> list[Price]:
    """What everything that is on sale costs now."""
    return await _prices(tx, "p.during @> %(now)s::timestamptz", now)


async def _prices(tx: Tx, which: str, now: datetime | None) -> list[Price]:
    async with tx.cursor(row_factory=class_row(Price)) as cursor:
        await cursor.execute(
            f"""select p.item, p.instance_type, p.cents, lower(p.during) as since, upper(p.during) as until
                from prices p left join instance_types t on t.name = p.instance_type
                where not coalesce(t.retired, false) and {which} order by p.item, p.instance_type, p.during""",
            {"now": now},
        )
        return await cursor.fetchall()


async def change_price(tx: Tx, name: str, cents: int, since: datetime | None, now: datetime) -> datetime:
    """Change the price of an item, or of an hour of an instance type, from a moment on, or from now on; the moment.
    Raises NotFound, and InvalidRequest for a moment that is past."""
    begins = since or now
    if begins < now:
        raise InvalidRequest("invalid_request", "since: what is past cannot cost something else")
    item = next((each for each in ITEMS if each == name), None)
    if item is not None:
        await set_price(tx, item, cents, begins)
    elif not await set_type_price(tx, name, cents, begins):
        raise NotFound("price_not_found", f"There is no item or instance type {name[:64]}")
    return begins


async def set_price(tx: Tx, item: Item, cents: int, since: datetime) -> None:
    """What is begun from `since` on costs this, until the next change that is planned."""
    # A statement of its own: who waited for another change must not look at the prices before it.
    await tx.execute("select pg_advisory_xact_lock(hashtextextended('price of ' || %s, 0))", (item,))
    await _set(tx, item, None, cents, since)


async def set_type_price(tx: Tx, instance_type: str, cents: int, since: datetime) -> bool:
    """The same for an hour of an instance type; False for an unknown one."""
    cursor = await tx.execute("select from instance_types where name = %s for no key update", (instance_type,))
    if cursor.rowcount == 0:
        return False
    await _set(tx, INSTANCE_HOUR, instance_type, cents, since)
    return True


async def _set(tx: Tx, item: str, instance_type: str | None, cents: int, since: datetime) -> None:
    values = {"item": item, "instance_type": instance_type, "cents": cents, "since": since}
    which = "item = %(item)s and instance_type is not distinct from %(instance_type)s and during @> %(since)s"
    cursor = await tx.execute(f"select cents, during from prices where {which} for update", values)
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"{instance_type or item} has no price")
    if row[0] == cents:
        return
    if row[1].lower == since:
        await tx.execute(f"update prices set cents = %(cents)s where {which}", values)
        return
    await tx.execute(
        f"update prices set during = tstzrange(lower(during), %(since)s) where {which}",
        values,
    )
    await tx.execute(
        """insert into prices (item, instance_type, cents, during)
           values (%(item)s, %(instance_type)s, %(cents)s, tstzrange(%(since)s, %(until)s))""",
        {**values, "until": row[1].upper},
    )
