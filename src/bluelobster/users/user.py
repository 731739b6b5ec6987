"""People who sign in, by their e-mail address."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.access.keys import PREFIX_LENGTH, random_text
from bluelobster.db.pool import Tx


@dataclass(frozen=True)
class User:
    """Somebody who signs in. What others invite an address to is theirs by itself once it is `verified_at`: until then,
    anybody may have said that it is theirs."""

    id: UUID
    email: str
    prefix: str
    password_hash: str | None
    verified_at: datetime | None
    disabled_at: datetime | None


COLUMNS: LiteralString = "id, email, prefix, password_hash, verified_at, disabled_at"


async def find_by_email(tx: Tx, email: str) -> User | None:
    return await _find(tx, "lower(email) = lower(%s)", email)


async def find_user(tx: Tx, user_id: UUID, *, lock: bool = False) -> User | None:
    """A user by id; with `lock`, held until the end of `tx`."""
    return await _find(tx, "id = %s for no key update" if lock else "id = %s", user_id)


async def _find(tx: Tx, which: LiteralString, value: object) -> User | None:
    async with tx.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(f"select {COLUMNS} from users where {which}", (value,))
        return await cursor.fetchone()


async def find_or_add(tx: Tx, email: str, now: datetime) -> User:
    """The user with this address, held until the end of `tx`; a new one has no password and is not verified."""
    await tx.execute(
        """insert into users (id, email, prefix, created_at) values (%s, %s, %s, %s)
           on conflict (lower(email)) do nothing""",
        (uuid4(), email, random_text(PREFIX_LENGTH), now),
    )
    found = await _find(tx, "lower(email) = lower(%s) for no key update", email)
    if found is None:
        raise LookupError("the user was removed meanwhile")
    return found


async def set_password(tx: Tx, user_id: UUID, password_hash: str | None) -> None:
    await tx.execute("update users set password_hash = %s where id = %s", (password_hash, user_id))


async def verify(tx: Tx, user_id: UUID, now: datetime) -> None:
    """The address is theirs, and so is every invitation to it."""
    await tx.execute("update users set verified_at = coalesce(verified_at, %s) where id = %s", (now, user_id))
    await take_invitations(tx, user_id)


async def take_invitations(tx: Tx, user_id: UUID) -> None:
    """For a verified user: whatever their address was invited to."""
    for table in ("account_members", "team_members"):
        await tx.execute(
            f"""update {table} m set user_id = u.id from users u
                where u.id = %s and u.verified_at is not null
                  and lower(m.email) = lower(u.email) and m.user_id is null""",
            (user_id,),
        )


async def invited(tx: Tx, account_id: UUID, email: str) -> UUID | None:
    """Whom an invitation of an account to an address can only mean: a verified user, or one whom it let in before."""
    cursor = await tx.execute(
        """select u.id from users u
           where lower(u.email) = lower(%(email)s)
             and (u.verified_at is not null
                  or exists (select from places p where p.user_id = u.id and p.account_id = %(account_id)s))""",
        {"email": email, "account_id": account_id},
    )
    row = await cursor.fetchone()
    return row[0] if row else None
