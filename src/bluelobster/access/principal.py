"""The caller: found by API key before anything of the request is read."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from uuid import UUID

from bluelobster.access.keys import Network, hash_of, prefix_of
from bluelobster.access.permissions import ROLES, Requirement, Role
from bluelobster.db.pool import Pool
from bluelobster.http.errors import AddressNotAllowed, Forbidden, Unauthorized


@dataclass(frozen=True)
class Sight:
    """What a caller may see: an account's things, or only those of one of its teams. All else does not exist."""

    account_id: UUID
    team_id: UUID | None


@dataclass(frozen=True)
class Principal:
    """Who asks: an account, through one of its keys or somebody who signed in, in the whole account or in one of its
    teams. `key_prefix` tells in logs which key, or who."""

    account_id: UUID
    role: Role
    key_prefix: str
    team_id: UUID | None = None
    expires_at: datetime | None = None
    allowed_networks: Sequence[Network] | None = None
    session_id: UUID | None = None

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

    def require_address(self, host: str) -> None:
        """Raises AddressNotAllowed unless the key may be used from this address."""
        if self.allowed_networks is None:
            return
        try:
            address = ip_address(host)
        except ValueError:
            raise AddressNotAllowed(host) from None
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if not any(address in network for network in self.allowed_networks):
            raise AddressNotAllowed(str(address))

    def must_not_exceed(self, role: Role) -> None:
        """Nobody gives, changes or takes a role above their own. Raises Forbidden."""
        if ROLES.index(role) > ROLES.index(self.role):
            raise Forbidden(
                f"This key's role is '{self.role}': it cannot decide about the role '{role}'"
                if self.session_id is None
                else f"Your role is '{self.role}': you cannot decide about the role '{role}'"
            )


async def identify(pool: Pool, key: str | None, now: datetime) -> Principal:
    """The caller behind a key; raises Unauthorized for none, a wrong, an expired or a revoked one, and for any of a
    closed account."""
    prefix = prefix_of(key) if key else None
    if key is None or prefix is None:
        raise Unauthorized
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """select k.hash, case when k.old_until > %(now)s then k.old_hash end, k.account_id, k.role, k.team_id,
                      k.expires_at, k.allowed_networks
               from api_keys k join accounts a on a.id = k.account_id
               where k.prefix = %(prefix)s and k.revoked_at is null and a.closed_at is null
                 and (k.expires_at is null or k.expires_at > %(now)s)""",
            {"prefix": prefix, "now": now},
        )
        row = await cursor.fetchone()
    if row is None:
        raise Unauthorized
    good, old, account_id, role, team_id, expires_at, networks = row
    given = hash_of(key)
    if not hmac.compare_digest(good, given) and not (old is not None and hmac.compare_digest(old, given)):
        raise Unauthorized
    return Principal(account_id, role, prefix, team_id, expires_at, networks)
