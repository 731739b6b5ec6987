"""Keys that there are: found, given another secret, or ended."""

from datetime import datetime, timedelta
from uuid import UUID

from bluelobster.access import keys
from bluelobster.access.keys import ApiKey
from bluelobster.access.principal import Principal
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.keys.request import RotationRequest
from bluelobster.keys.rights import must_cover
from bluelobster.keys.view import NewKey, new_key_view


async def find(tx: Tx, account_id: UUID, prefix: str, team_id: UUID | None = None) -> ApiKey:
    """A key of an account, or of the team that is named, held until the end of `tx`. Raises NotFound."""
    found = await keys.find_key(tx, prefix)
    if found is None or found.account_id != account_id or (team_id is not None and found.team_id != team_id):
        raise NotFound("key_not_found", "There is no key with this prefix")
    return found


async def rotate(tx: Tx, caller: Principal, key: ApiKey, wanted: RotationRequest, now: datetime) -> NewKey:
    """Another secret for a key; the one that it has is good for some hours longer. Raises Forbidden for a key that may
    more than the caller's, and InvalidRequest for one that opens nothing any more."""
    must_cover(caller, key.account_id, key.role, key.expires_at, key.allowed_networks)
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise InvalidRequest("key_ended", "This key is revoked or has expired; make a new one")
    secret = await keys.rotate_key(tx, key.id, key.prefix, timedelta(hours=wanted.overlap_hours), now)
    return new_key_view(await find(tx, key.account_id, key.prefix), secret)


async def revoke(tx: Tx, caller: Principal, key: ApiKey, now: datetime) -> None:
    """From now on the key opens nothing. Raises Forbidden for one with a role above the caller's."""
    caller.must_not_exceed(key.role)
    await keys.revoke_key(tx, key.prefix, now)
