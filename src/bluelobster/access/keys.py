"""API keys: `bl_<prefix>_<secret>`. We keep the prefix to show and a hash to compare."""

import hashlib
import secrets
import string
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.access.permissions import Role
from bluelobster.db.pool import Tx

ALPHABET = string.ascii_letters + string.digits
PREFIX_LENGTH = 8
SECRET_LENGTH = 40


@dataclass(frozen=True)
class ApiKey:
    """A key as it may be shown: without its secret."""

    id: UUID
    account: str
    name: str
    prefix: str
    role: Role
    team_id: UUID | None
    team: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def hash_of(key: str) -> bytes:
    """SHA-256 of the whole key: its 40 random characters need no slow hash."""
    return hashlib.sha256(key.encode()).digest()


def prefix_of(key: str) -> str | None:
    """The public part of a key, or None for what cannot be one."""
    parts = key.split("_")
    if len(parts) != 3 or parts[0] != "bl" or len(parts[1]) != PREFIX_LENGTH or not key.isascii():
        return None
    return parts[1]


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


async def create_key(
    tx: Tx,
    account_id: UUID,
    name: str,
    role: Role,
    now: datetime,
    expires_at: datetime | None = None,
    team_id: UUID | None = None,
) -> str:
    """A new key of the account, or of one of its teams; the returned text is the only copy of it."""
    prefix = _random(PREFIX_LENGTH)
    key = f"bl_{prefix}_{_random(SECRET_LENGTH)}"
    await tx.execute(
        """insert into api_keys (id, account_id, team_id, name, prefix, hash, role, created_at, expires_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (uuid4(), account_id, team_id, name, prefix, hash_of(key), role, now, expires_at),
    )
    return key


async def revoke_key(tx: Tx, prefix: str, now: datetime, team_id: UUID | None = None) -> bool:
    """Make a key useless from now on; False when there is no such key (in the team, where one is named)."""
    done = await tx.execute(
        """update api_keys set revoked_at = coalesce(revoked_at, %s)
           where prefix = %s and (%s::uuid is null or team_id = %s)""",
        (now, prefix, team_id, team_id),
    )
    return done.rowcount == 1


async def list_keys(tx: Tx, team_id: UUID | None = None) -> list[ApiKey]:
    """All keys, or those of one team."""
    async with tx.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(
            """select k.id, a.name as account, k.name, k.prefix, k.role, k.team_id, t.name as team, k.created_at,
                      k.expires_at, k.revoked_at
               from api_keys k join accounts a on a.id = k.account_id left join teams t on t.id = k.team_id
               where %s::uuid is null or k.team_id = %s order by a.name, k.created_at""",
            (team_id, team_id),
        )
        return await cursor.fetchall()
