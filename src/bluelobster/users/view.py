"""Users as staff sees them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.http.paging import Place


class UserView(BaseModel):
    """Somebody who signs in."""

    id: UUID
    email: str
    name_in_logs: str = Field(description="What they are called where a key's prefix would stand")
    created_at: str
    verified_at: str | None = Field(description="Since when their address is known to be theirs")
    disabled_at: str | None
    last_seen_at: str | None = Field(description="Of the sessions that have not ended")
    has_password: bool
    accounts: list[str] = Field(description="Names of the accounts that they are in, teams included")


class Users(BaseModel):
    """Users, newest first. `next` is the `cursor` of the next page."""

    users: list[UserView]
    next: str | None


@dataclass(frozen=True)
class Filter:
    """Which users: those whose address contains `search`, disabled ones, or others; all where nothing is said."""

    search: str | None = None
    disabled: bool | None = None


VIEW = f"""select u.id, u.email, 'user:' || u.prefix as name_in_logs, {rfc3339_sql("u.created_at")} as created_at,
                  {rfc3339_sql("u.verified_at")} as verified_at, {rfc3339_sql("u.disabled_at")} as disabled_at,
                  (select {rfc3339_sql("max(s.seen_at)")} from sessions s where s.user_id = u.id) as last_seen_at,
                  u.password_hash is not null as has_password,
                  array(select distinct p.account from places p where p.user_id = u.id order by 1) as accounts
           from users u"""


async def view_users(tx: Tx, rest: str, values: dict[str, Any]) -> list[UserView]:
    async with tx.cursor(row_factory=class_row(UserView)) as cursor:
        await cursor.execute(f"{VIEW} {rest}", values)
        return await cursor.fetchall()


async def list_users(tx: Tx, wanted: Filter, behind: Place[UUID] | None, most: int) -> Users:
    """A page of users, behind a place of the page before."""
    place = {"last_at": behind.at if behind else None, "last_id": behind.id if behind else None}
    cursor = await tx.execute(
        """select u.id, u.created_at from users u
           where (%(search)s::text is null or strpos(lower(u.email), lower(%(search)s)) > 0)
             and (%(disabled)s::boolean is null or (u.disabled_at is not null) = %(disabled)s)
             and (%(last_at)s::timestamptz is null
                  or u.created_at <= %(last_at)s and (u.created_at < %(last_at)s or u.id > %(last_id)s))
           order by u.created_at desc, u.id limit %(most)s""",
        {**vars(wanted), **place, "most": most + 1},
    )
    rows = await cursor.fetchall()
    page = rows[:most]
    shown = await view_users(
        tx, "where u.id = any(%(ids)s) order by u.created_at desc, u.id", {"ids": [row[0] for row in page]}
    )
    return Users(users=shown, next=Place(page[-1][1], page[-1][0]).cursor() if len(rows) > most else None)
