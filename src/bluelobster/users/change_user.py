"""What the operator changes of a user: whether they may come in, and their password."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool

from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.http.text import RequestBody
from bluelobster.users.sessions import end_all
from bluelobster.users.tokens import issue
from bluelobster.users.user import User, find_user, set_password, verify
from bluelobster.users.view import UserView, view_users


class UserRequest(RequestBody):
    """Whether somebody may come in."""

    disabled: StrictBool = Field(description="True ends their sessions, and they get none until it is false again")


class NewPasswordToken(BaseModel):
    """With it a user sets their password, within 7 days; it is shown this once."""

    password_token: str


async def find(tx: Tx, user_id: str) -> User:
    """A user, held until the end of `tx`. Raises NotFound."""
    known = parsed_id(user_id)
    found = None if known is None else await find_user(tx, known, lock=True)
    if found is None:
        raise missing()
    return found


async def find_again(tx: Tx, user_id: UUID) -> UserView:
    """A user as staff sees them. Raises NotFound."""
    found = await view_users(tx, "where u.id = %(id)s", {"id": user_id})
    if not found:
        raise missing()
    return found[0]


async def change_user(tx: Tx, user: User, wanted: UserRequest, now: datetime) -> UserView:
    disabled_at = (user.disabled_at or now) if wanted.disabled else None
    await tx.execute("update users set disabled_at = %s where id = %s", (disabled_at, user.id))
    if wanted.disabled:
        await end_all(tx, user.id)
    return await find_again(tx, user.id)


async def let_set_password(tx: Tx, user: User, now: datetime) -> NewPasswordToken:
    """Whoever has the token counts as the owner of the address."""
    return NewPasswordToken(password_token=await issue(tx, "user_id", user.id, now))


async def give_password(tx: Tx, user_id: UUID, password_hash: str, now: datetime) -> None:
    """Set a password on the operator's word: the address is the user's, and all sessions and tokens end."""
    await set_password(tx, user_id, password_hash)
    await verify(tx, user_id, now)
    await end_all(tx, user_id)
    await tx.execute("delete from one_time_tokens where user_id = %s", (user_id,))


def missing() -> NotFound:
    return NotFound("user_not_found", "There is no such user")
