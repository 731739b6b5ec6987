"""The caller: found by API key before anything of the request is read."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bluelobster.access.keys import Scope, hash_of, prefix_of
from bluelobster.access.permissions import GRANTS, Requirement
from bluelobster.db.pool import Pool
from bluelobster.http.errors import Forbidden, Unauthorized


@dataclass(frozen=True)
class Principal:
    """Who asks: an account, through one of its keys."""

    account_id: UUID
    scope: Scope
    key_prefix: str

    @property
    def is_staff(self) -> bool:
        return self.scope == "staff"

    def require(self, requirement: Requirement) -> None:
        """Raises Forbidden unless the key grants what the operation asks for."""
        if requirement.permission not in GRANTS[self.scope]:
            raise Forbidden(requirement.refusal)


async def identify(pool: Pool, key: str | None, now: datetime) -> Principal:
    """The caller behind a key; raises Unauthorized for none, a wrong, an expired or a revoked one."""
    prefix = prefix_of(key) if key else None
    if key is None or prefix is None:
        raise Unauthorized
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """select account_id, scope, hash from api_keys
               where prefix = %s and revoked_at is null and (expires_at is null or expires_at > %s)""",
            (prefix, now),
        )
        row = await cursor.fetchone()
    if row is None or not hmac.compare_digest(row[2], hash_of(key)):
        raise Unauthorized
    return Principal(account_id=row[0], scope=row[1], key_prefix=prefix)
