"""Keys as the API shows them."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, Field

from bluelobster.access.keys import ApiKey
from bluelobster.clock import rfc3339


class KeyView(BaseModel):
    """A key without its secret."""

    prefix: str
    name: str
    role: str
    team_id: str | None = Field(description="The team whose instances are all that it sees")
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    rotated_at: str | None = Field(description="When it got the secret that it has")
    old_secret_until: str | None = Field(description="Until when the secret that it had before is good as well")
    allowed_networks: list[str] | None = Field(description="Where it may be used from; null: from anywhere")
    last_used_at: str | None = Field(description="To the minute")
    last_used_ip: str | None


class NewKey(KeyView):
    """A key with its secret: `api_key` is shown this once."""

    api_key: str


class Keys(BaseModel):
    """Keys in the order in which they were made, revoked ones included."""

    keys: list[KeyView]
    total: int


def keys_view(keys: Iterable[ApiKey]) -> Keys:
    shown = [key_view(key) for key in keys]
    return Keys(keys=shown, total=len(shown))


def key_view(key: ApiKey) -> KeyView:
    return KeyView(
        prefix=key.prefix,
        name=key.name,
        role=key.role,
        team_id=str(key.team_id) if key.team_id else None,
        created_at=rfc3339(key.created_at),
        expires_at=_moment(key.expires_at),
        revoked_at=_moment(key.revoked_at),
        rotated_at=_moment(key.rotated_at),
        old_secret_until=_moment(key.old_until),
        allowed_networks=[str(each) for each in key.allowed_networks] if key.allowed_networks else None,
        last_used_at=_moment(key.last_used_at),
        last_used_ip=key.last_used_ip,
    )


def _moment(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None


def new_key_view(key: ApiKey, secret: str) -> NewKey:
    return NewKey(**key_view(key).model_dump(), api_key=secret)
