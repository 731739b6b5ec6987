"""Regions: where machines can be had."""

from dataclasses import dataclass

from psycopg.rows import class_row

from bluelobster.db.pool import Tx


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
