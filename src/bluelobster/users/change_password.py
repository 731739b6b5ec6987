"""Another password, by whoever knows the one that there is."""

from pydantic import Field

from bluelobster.access.sessions import Session
from bluelobster.db.pool import Pool, transaction
from bluelobster.http.errors import InvalidRequest
from bluelobster.http.text import RequestBody
from bluelobster.users.passwords import GivenPassword, NewPassword, Passwords, must_be_good
from bluelobster.users.sessions import end_all
from bluelobster.users.sign_in import WrongPassword, still_enabled
from bluelobster.users.user import find_user, set_password


class PasswordRequest(RequestBody):
    """The password that there is, and another one."""

    current_password: GivenPassword = Field(description="The password that you have")
    new_password: NewPassword = Field(description="The one to have: length is what counts")


async def change_password(pool: Pool, passwords: Passwords, session: Session, wanted: PasswordRequest) -> None:
    """From now on the new one; all other sessions end. Raises WrongPassword, and InvalidRequest for a password that is
    not good enough, and for a user without one."""
    async with pool.connection() as connection:
        user = await find_user(connection, session.user_id)
    if user is None or user.password_hash is None:
        raise InvalidRequest("no_password", "You sign in without a password; ask the operator for one")
    if not await passwords.fits(user.password_hash, wanted.current_password.get_secret_value()):
        raise WrongPassword
    new = wanted.new_password.get_secret_value()
    must_be_good(new, user.email)
    new_hash = await passwords.hash(new)
    async with transaction(pool) as tx:
        await still_enabled(tx, user)
        await set_password(tx, user.id, new_hash)
        await end_all(tx, user.id, but=session.id)
