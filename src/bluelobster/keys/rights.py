"""No key makes one, or gets hold of one, that may do more than it may itself."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from bluelobster.access.keys import Network
from bluelobster.access.permissions import Role
from bluelobster.access.principal import Principal
from bluelobster.clock import rfc3339
from bluelobster.http.errors import Forbidden


def must_cover(
    caller: Principal, account_id: UUID, role: Role, expires_at: datetime | None, networks: Sequence[Network] | None
) -> None:
    """Raises Forbidden where a key of an account has a role above the caller's, lasts longer, or may be used from
    where the caller's may not. For keys of other accounts than the caller's, the role alone counts."""
    caller.must_not_exceed(role)
    if caller.account_id != account_id:
        return
    if caller.expires_at is not None and (expires_at is None or expires_at > caller.expires_at):
        raise Forbidden(f"This key expires at {rfc3339(caller.expires_at)}: it cannot give out one that lasts longer")
    if caller.allowed_networks is not None and not all(
        any(_within(each, own) for own in caller.allowed_networks) for each in networks or (None,)
    ):
        raise Forbidden("This key may not be used from everywhere: it cannot give out one that may be used from more")


def must_be_unlimited(caller: Principal) -> None:
    """Raises Forbidden for a key that expires, or that may not be used from everywhere: somebody whom it let in, or
    whose role it raised, would have neither limit."""
    if caller.expires_at is not None or caller.allowed_networks is not None:
        raise Forbidden("A key that expires, or may not be used from everywhere, cannot decide about people")


def _within(inner: Network | None, outer: Network) -> bool:
    return inner is not None and inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
