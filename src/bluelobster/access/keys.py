"""API keys: `bl_<prefix>_<secret>`. We keep the prefix to show and a hash to compare."""

import hashlib
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.access.permissions import Role
from bluelobster.db.pool import Tx

ALPHABET = string.ascii_letters + string.digits
PREFIX_LENGTH = 8
SECRET_LENGTH = 40


Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class ApiKey:
    """A key as it may be shown: without its secret. Without `allowed_networks`, it may be used from anywhere; until
    `old_until`, so may the secret that it had before it was rotated."""

    id: UUID
    account: str
    account_id: UUID
    name: str
    prefix: str
    role: Role
    team_id: UUID | None
    team: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    rotated_at: datetime | None
    old_until: datetime | None
    allowed_networks: Sequence[Network] | None
    last_used_at: datetime | None
    last_used_ip: str | None


COLUMNS = """k.id, a.name as account, k.account_id, k.name, k.prefix, k.role, k.team_id, t.name as team, k.created_at,
             k.expires_at, k.revoked_at, k.rotated_at, k.old_until, k.allowed_networks, k.last_used_at,
             host(k.last_used_ip) as last_used_ip"""
FROM = "api_keys k join accounts a on a.id = k.account_id left join teams t on t.id = k.team_id"


def hash_of(key: str) -> bytes:
    """SHA-256 of the whole key: its 40 random characters need no slow hash."""
    return hashlib.sha256(key.encode()).digest()


def prefix_of(key: str) -> str | None:
    """The public part of a key, or None for what cannot be one."""
    parts = key.split("_")
    if len(parts) != 3 or parts[0] != "bl" or len(parts[1]) != PREFIX_LENGTH or not key.isascii():
        return None
    return parts[1]


def random_text(length: int) -> str:
    """Letters and digits that nobody can guess."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _key(prefix: str) -> str:
    return f"bl_{prefix}_{random_text(SECRET_LENGTH)}"


async def create_key(
    tx: Tx,
    account_id: UUID,
    name: str,
    role: Role,
    now: datetime,
    expires_at: datetime | None = None,
    team_id: UUID | None = None,
    allowed_networks: Sequence[Network] | None = None,
) -> str:
    """A new key of the account, or of one of its teams; the returned text is the only copy of it."""
    prefix = random_text(PREFIX_LENGTH)
    key = _key(prefix)
    await tx.execute(
        """insert into api_keys
             (id, account_id, team_id, name, prefix, hash, role, created_at, expires_at, allowed_networks)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::cidr[])""",
        (uuid4(), account_id, team_id, name, prefix, hash_of(key), role, now, expires_at, _cidrs(allowed_networks)),
    )
    return key


def _cidrs(networks: Sequence[Network] | None) -> list[str] | None:
    return [str(each) for each in networks] if networks else None


async def rotate_key(tx: Tx, key_id: UUID, prefix: str, overlap: timedelta, now: datetime) -> str:
    """Give a key another secret; the one that it had is good for `overlap` longer, and one before that no more. The
    returned text is the only copy of the new one."""
    key = _key(prefix)
    await tx.execute(
        """update api_keys set old_hash = case when %(overlap)s then hash end,
                               old_until = case when %(overlap)s then %(until)s::timestamptz end,
                               hash = %(hash)s, rotated_at = %(now)s
           where id = %(id)s""",
        {"overlap": bool(overlap), "until": now + overlap, "hash": hash_of(key), "now": now, "id": key_id},
    )
    return key


async def revoke_key(tx: Tx, prefix: str, now: datetime) -> bool:
    """Make a key useless from now on; False when there is no such key."""
    done = await tx.execute(
        "update api_keys set revoked_at = coalesce(revoked_at, %s) where prefix = %s", (now, prefix)
    )
    return done.rowcount == 1


async def revoke_all_keys(tx: Tx, account_id: UUID, now: datetime) -> None:
    """Make all keys of an account useless from now on."""
    await tx.execute(
        "update api_keys set revoked_at = %s where account_id = %s and revoked_at is null", (now, account_id)
    )


async def list_keys(tx: Tx, account_id: UUID | None = None, team_id: UUID | None = None) -> list[ApiKey]:
    """All keys, or those of one account, or of one team; revoked ones included."""
    async with tx.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(
            f"""select {COLUMNS} from {FROM}
                where (%(account_id)s::uuid is null or k.account_id = %(account_id)s)
                  and (%(team_id)s::uuid is null or k.team_id = %(team_id)s)
                order by a.name, k.created_at, k.prefix""",
            {"account_id": account_id, "team_id": team_id},
        )
        return await cursor.fetchall()


async def find_key(tx: Tx, prefix: str) -> ApiKey | None:
    """A key by its prefix, held until the end of `tx`."""
    async with tx.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(f"select {COLUMNS} from {FROM} where k.prefix = %s for no key update of k", (prefix,))
        return await cursor.fetchone()
