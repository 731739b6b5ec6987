"""Keys that see one team's machines only."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from bluelobster.access.keys import ApiKey, create_key, list_keys, prefix_of, revoke_key
from bluelobster.access.principal import Principal
from bluelobster.clock import rfc3339
from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound
from bluelobster.http.text import RequestBody
from bluelobster.teams.members import TeamRole, must_not_exceed


class KeyRequest(RequestBody):
    """A key of a team."""

    name: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        "default", description="What the key is for", json_schema_extra={"example": "ci"}
    )
    role: TeamRole = Field("member", description="What it may do in the team")
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        None, description="Days until it expires; without, it is valid until it is revoked"
    )


class KeyView(BaseModel):
    """A key without its secret."""

    prefix: str
    name: str
    role: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class NewKey(KeyView):
    """A key that was just made: `api_key` is shown this once."""

    api_key: str


class Keys(BaseModel):
    """The keys of a team, revoked ones included."""

    keys: list[KeyView]
    total: int


async def list_team_keys(tx: Tx, team_id: UUID) -> Keys:
    """In the order in which they were made."""
    keys = [view_of(key) for key in await list_keys(tx, team_id)]
    return Keys(keys=keys, total=len(keys))


async def create_team_key(tx: Tx, caller: Principal, team_id: UUID, wanted: KeyRequest, now: datetime) -> NewKey:
    """Raises Forbidden for a role above the caller's."""
    must_not_exceed(caller, wanted.role)
    expires_at = now + timedelta(days=wanted.expires_in_days) if wanted.expires_in_days else None
    key = await create_key(tx, caller.account_id, wanted.name, wanted.role, now, expires_at, team_id)
    view = next(view_of(each) for each in await list_keys(tx, team_id) if each.prefix == prefix_of(key))
    return NewKey(**view.model_dump(), api_key=key)


async def revoke_team_key(tx: Tx, team_id: UUID, prefix: str, now: datetime) -> None:
    """Raises NotFound for a prefix that is none of the team's."""
    if not prefix.isalnum() or not await revoke_key(tx, prefix, now, team_id):
        raise NotFound("key_not_found", "The team has no key with this prefix")


def view_of(key: ApiKey) -> KeyView:
    return KeyView(
        prefix=key.prefix,
        name=key.name,
        role=key.role,
        created_at=rfc3339(key.created_at),
        expires_at=rfc3339(key.expires_at) if key.expires_at else None,
        revoked_at=rfc3339(key.revoked_at) if key.revoked_at else None,
    )
