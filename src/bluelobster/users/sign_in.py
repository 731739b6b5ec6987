"""Sign in with e-mail address and password."""

from typing import ClassVar

from pydantic import Field, StrictBool

from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.errors import ApiError, Forbidden
from bluelobster.http.text import RequestBody
from bluelobster.users.email import Email
from bluelobster.users.passwords import GivenPassword, Passwords
from bluelobster.users.sessions import NewSession, Origin, begin
from bluelobster.users.user import User, find_by_email, find_user, set_password, take_invitations


class SignInRequest(RequestBody):
    """Who signs in."""

    email: Email = Field(description="E-mail address", json_schema_extra={"example": "ada@example.com"})
    password: GivenPassword = Field(description="Password")
    cookie: StrictBool = Field(
        False, description="Put the session into a cookie, which no script can read, instead of showing its token"
    )


class WrongPassword(ApiError):
    """The same for an address that nobody has: it tells nobody who has an account."""

    status: ClassVar[int] = 401

    def __init__(self) -> None:
        super().__init__("wrong_password", "The email or the password is wrong")


async def sign_in(
    pool: Pool, passwords: Passwords, wanted: SignInRequest, origin: Origin, clock: Clock, days: float
) -> NewSession:
    """A session that begins. Raises WrongPassword, and Forbidden for somebody who is disabled."""
    given = wanted.password.get_secret_value()
    user = await check(pool, passwords, wanted.email, given)
    known = user.password_hash or ""
    better = await passwords.hash(given) if passwords.is_outdated(known) else known
    try:
        return await _begin(pool, user, better, origin, clock, days)
    except WrongPassword:
        # Somebody who signs in elsewhere at the same time may have hashed it anew.
        user = await check(pool, passwords, wanted.email, given)
        return await _begin(pool, user, user.password_hash or "", origin, clock, days)


async def _begin(pool: Pool, user: User, better: str, origin: Origin, clock: Clock, days: float) -> NewSession:
    """With a better hash of the password, where there is one. Raises WrongPassword where it was changed, Forbidden."""
    async with transaction(pool) as tx:
        user = await still_enabled(tx, user)
        if better != user.password_hash:
            await set_password(tx, user.id, better)
        await take_invitations(tx, user.id)
        return await begin(tx, user.id, origin, clock.now(), days)


async def check(pool: Pool, passwords: Passwords, email: str, password: str) -> User:
    """Whose password it is. Raises WrongPassword, after the same time whatever is wrong."""
    async with pool.connection() as connection:
        user = await find_by_email(connection, email)
    if not await passwords.fits(user.password_hash if user else None, password) or user is None:
        raise WrongPassword
    return user


async def still_enabled(tx: Tx, checked: User) -> User:
    """The user, held, unless the password that was checked was changed meanwhile. Raises WrongPassword, Forbidden."""
    user = await find_user(tx, checked.id, lock=True)
    if user is None or user.password_hash != checked.password_hash:
        raise WrongPassword
    if user.disabled_at is not None:
        raise Forbidden("This user is disabled; ask the operator")
    return user
