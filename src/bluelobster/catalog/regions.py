"""Regions: where machines can be had."""

from dataclasses import dataclass

from psycopg.errors import ForeignKeyViolation
from psycopg.rows import class_row

from bluelobster.db.pool import Tx
from bluelobster.db.refusals import refusal
from bluelobster.http.errors import Conflict


@dataclass(frozen=True)
class Region:
    """A place with hosts in it."""

    name: str
    description: str
    city: str
    state: str
    country: str


async def save_region(tx: Tx, region: Region) -> None:
    await tx.execute(
        """insert into regions (name, description, city, state, country)
           values (%(name)s, %(description)s, %(city)s, %(state)s, %(country)s)
           on conflict (name) do update set description = excluded.description, city = excluded.city,
             state = excluded.state, country = excluded.country""",
        vars(region),
    )


async def list_regions(tx: Tx) -> list[Region]:
    async with tx.cursor(row_factory=class_row(Region)) as cursor:
        await cursor.execute("select name, description, city, state, country from regions order by name")
        return await cursor.fetchall()


async def remove_region(tx: Tx, name: str) -> bool:
    """Forget a region; False for an unknown one. Raises Conflict while something is in it, or ever was."""
    try:
        async with tx.transaction():
            done = await tx.execute("delete from regions where name = %s", (name,))
    except ForeignKeyViolation as error:
        raise Conflict("region_in_use", f"region {refusal(error)}") from error
    return done.rowcount == 1
