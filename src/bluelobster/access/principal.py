"""The caller: found by API key before anything of the request is read."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bluelobster.access.keys import hash_of, prefix_of
from bluelobster.access.permissions import Requirement, Role
from bluelobster.db.pool import Pool
from bluelobster.http.errors import Forbidden, Unauthorized


@dataclass(frozen=True)
class Sight:
    """What a caller may see: an account's things, or only those of one of its teams. All else does not exist."""

    account_id: UUID
    team_id: UUID | None


@dataclass(frozen=True)
class Principal:
    """Who asks: an account, through one of its keys, which may be scoped to one of its teams."""

    account_id: UUID
    role: Role
    key_prefix: str
    team_id: UUID | None = None

    @property
    def is_staff(self) -> bool:
        return self.role == "staff"

    @property
    def sight(self) -> Sight:
        return Sight(self.account_id, self.team_id)

    def require(self, requirement: Requirement) -> None:
        """Raises Forbidden unless the key's role is one that the operation asks for."""
        if refusal := requirement.refuses(self.role, self.team_id is not None):
            raise Forbidden(refusal)


async def identify(pool: Pool, key: str | None, now: datetime) -> Principal:
    """The caller behind a key; raises Unauthorized for none, a wrong, an expired or a revoked one."""
    prefix = prefix_of(key) if key else None
    if key is None or prefix is None:
        raise Unauthorized
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """select account_id, role, hash, team_id from api_keys
               where prefix = %s and revoked_at is null and (expires_at is null or expires_at > %s)""",
            (prefix, now),
        )
        row = await cursor.fetchone()
    if row is None or not hmac.compare_digest(row[2], hash_of(key)):
        raise Unauthorized
    return Principal(account_id=row[0], role=row[1], key_prefix=prefix, team_id=row[3])
