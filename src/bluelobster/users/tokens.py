"""Tokens that are good for one use: no mail is sent, people hand them on. We keep a hash to compare."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.access.keys import hash_of
from bluelobster.access.tokens import ONE_TIME, new_token
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest

DAYS = 7
Subject = Literal["user_id", "account_member_id", "team_member_id"]
SUBJECTS: dict[LiteralString, LiteralString] = {
    "users": "user_id",
    "account_members": "account_member_id",
    "team_members": "team_member_id",
}


@dataclass(frozen=True)
class OneTimeToken:
    """What a token is for: one of the three is there. `email` is whom it was made for."""

    user_id: UUID | None
    account_member_id: UUID | None
    team_member_id: UUID | None
    email: str


async def issue(tx: Tx, subject: Subject, subject_id: UUID, now: datetime) -> str:
    """A token for a user's password or for an invitation, instead of those made before; the returned text is the only
    copy of it."""
    token = new_token(ONE_TIME)
    await tx.execute(f"delete from one_time_tokens where {subject} = %s", (subject_id,))
    await tx.execute(
        f"insert into one_time_tokens (hash, {subject}, created_at, expires_at) values (%s, %s, %s, %s)",
        (hash_of(token), subject_id, now, now + timedelta(days=DAYS)),
    )
    return token


async def read(tx: Tx, token: str, now: datetime, *, lock: bool = False) -> OneTimeToken:
    """Raises InvalidRequest for a token that was used, is too old or never was."""
    if lock:
        await _hold_subject(tx, token)
    async with tx.cursor(row_factory=class_row(OneTimeToken)) as cursor:
        await cursor.execute(
            f"""select t.user_id, t.account_member_id, t.team_member_id, coalesce(u.email, a.email, m.email) as email
                from one_time_tokens t left join users u on u.id = t.user_id
                     left join account_members a on a.id = t.account_member_id
                     left join team_members m on m.id = t.team_member_id
                where t.hash = %s and t.expires_at > %s {"for update of t" if lock else ""}""",
            (hash_of(token), now),
        )
        found = await cursor.fetchone()
    if found is None:
        raise InvalidRequest("invalid_token", "token: it was used, is too old, or never was; ask for another one")
    return found


async def _hold_subject(tx: Tx, token: str) -> None:
    """Whom the token is about, before the token itself: so does whoever removes them or makes them another one."""
    for table, column in SUBJECTS.items():
        of_token = f"select {column} from one_time_tokens where hash = %s"
        await tx.execute(f"select from {table} where id = ({of_token}) for no key update", (hash_of(token),))


async def use(tx: Tx, token: str) -> None:
    await tx.execute("delete from one_time_tokens where hash = %s", (hash_of(token),))
