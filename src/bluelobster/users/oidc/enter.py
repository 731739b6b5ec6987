"""Who somebody is here, whom the provider knows: by what it calls them, or the first time by their e-mail address."""

from datetime import datetime

from bluelobster.db.pool import Tx
from bluelobster.http.errors import Forbidden
from bluelobster.users.oidc.id_token import Identity
from bluelobster.users.sessions import end_all
from bluelobster.users.user import User, find_or_add, find_user, set_password, take_invitations, verify

UNINVITED = "Nobody has invited {email} yet: ask somebody who is in the account for an invitation"


async def enter(tx: Tx, identity: Identity, now: datetime) -> User:
    """The user, held until the end of `tx`. Raises Forbidden for somebody who is disabled or was not invited, and for
    an address that the provider did not verify."""
    cursor = await tx.execute(
        "select user_id from user_identities where issuer = %s and subject = %s", (identity.issuer, identity.subject)
    )
    row = await cursor.fetchone()
    known = await find_user(tx, row[0], lock=True) if row else None
    user = known or await _first_time(tx, identity, now)
    if user.disabled_at is not None:
        raise Forbidden("This user is disabled; ask the operator")
    await take_invitations(tx, user.id)
    return user


async def _first_time(tx: Tx, identity: Identity, now: datetime) -> User:
    if identity.email is None or not identity.email_verified:
        raise Forbidden("The identity provider does not say that your e-mail address is yours; verify it there first")
    if not await _is_awaited(tx, identity.email):
        raise Forbidden(UNINVITED.format(email=identity.email))
    user = await find_or_add(tx, identity.email, now)
    if user.verified_at is None:
        # Whoever chose this password only said that the address was theirs.
        await set_password(tx, user.id, None)
        await end_all(tx, user.id)
        await verify(tx, user.id, now)
    cursor = await tx.execute(
        """insert into user_identities (issuer, subject, user_id, linked_at) values (%s, %s, %s, %s)
           on conflict (issuer, user_id) do nothing returning subject""",
        (identity.issuer, identity.subject, user.id, now),
    )
    if await cursor.fetchone() is None and not await _is_linked(tx, identity, user):
        raise Forbidden(
            "Somebody else at the identity provider signed in with this e-mail address before; ask the operator"
        )
    return user


async def _is_linked(tx: Tx, identity: Identity, user: User) -> bool:
    """Whether this very identity came in meanwhile, by another browser."""
    cursor = await tx.execute(
        "select from user_identities where (issuer, subject, user_id) = (%s, %s, %s)",
        (identity.issuer, identity.subject, user.id),
    )
    return cursor.rowcount == 1


async def _is_awaited(tx: Tx, email: str) -> bool:
    """Whether there is such a user, or an invitation to the address."""
    cursor = await tx.execute(
        """select exists (select from users where lower(email) = lower(%(email)s))
               or exists (select from account_members where lower(email) = lower(%(email)s))
               or exists (select from team_members where lower(email) = lower(%(email)s))""",
        {"email": email},
    )
    return await cursor.fetchone() == (True,)
