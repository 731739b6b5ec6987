"""A new key, of an account or of one of its teams."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bluelobster.access.accounts import is_staff
from bluelobster.access.keys import Network, create_key, find_key, prefix_of
from bluelobster.access.principal import Principal
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.keys.request import AccountKeyRequest, TeamKeyRequest
from bluelobster.keys.rights import must_cover
from bluelobster.keys.view import NewKey, new_key_view


async def create_team_key(tx: Tx, caller: Principal, team_id: UUID, wanted: TeamKeyRequest, now: datetime) -> NewKey:
    """A key of one of the caller's teams. Raises Forbidden for one that may more than the caller's."""
    return await _create(tx, caller, caller.account_id, team_id, wanted, now)


async def create_account_key(
    tx: Tx, caller: Principal, account_id: UUID, wanted: AccountKeyRequest, now: datetime
) -> NewKey:
    """A key of an account. Raises Forbidden for one that may more than the caller's, NotFound for a team that the
    account has not, and InvalidRequest for a role that nobody of the account or the team can have."""
    if wanted.team_id is not None:
        await _hold_team(tx, account_id, wanted.team_id)
    if wanted.role == "staff":
        await must_be_staff(tx, account_id, wanted.team_id)
    return await _create(tx, caller, account_id, wanted.team_id, wanted, now)


async def _create(
    tx: Tx,
    caller: Principal,
    account_id: UUID,
    team_id: UUID | None,
    wanted: TeamKeyRequest | AccountKeyRequest,
    now: datetime,
) -> NewKey:
    own = caller.account_id == account_id
    expires_at = now + timedelta(days=wanted.expires_in_days) if wanted.expires_in_days else None
    networks: Sequence[Network] | None = wanted.networks
    if own:
        expires_at, networks = expires_at or caller.expires_at, networks or caller.allowed_networks
    must_cover(caller, account_id, wanted.role, expires_at, networks)
    secret = await create_key(tx, account_id, wanted.name, wanted.role, now, expires_at, team_id, networks)
    made = await find_key(tx, prefix_of(secret) or "")
    if made is None:
        raise LookupError("the key was not saved")
    return new_key_view(made, secret)


async def _hold_team(tx: Tx, account_id: UUID, team_id: UUID) -> None:
    """The team stays until the end of `tx`."""
    cursor = await tx.execute("select from teams where id = %s and account_id = %s for share", (team_id, account_id))
    if await cursor.fetchone() is None:
        raise NotFound("team_not_found", "Team not found")


async def must_be_staff(tx: Tx, account_id: UUID, team_id: UUID | None) -> None:
    if team_id is not None or not await is_staff(tx, account_id):
        raise InvalidRequest("invalid_request", "role: only keys of a whole account of staff can have the role staff")
