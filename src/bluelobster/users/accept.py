"""Take an invitation, or the operator's word that an address is somebody's: with a token, and a password.

Anybody can invite any address, and hand the token to whom they like. So an invitation lets into the account that it is
from, and nothing else: it sets the password of a new user, and never that of one that there is. Only the operator's
token does that, and verifies the address.
"""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field, SecretStr, StrictBool

from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.errors import Forbidden, InvalidRequest
from bluelobster.http.text import RequestBody
from bluelobster.users import tokens
from bluelobster.users.passwords import LONGEST, SHORTEST, GivenPassword, Passwords, must_be_good
from bluelobster.users.sessions import NewSession, Origin, begin, end_all
from bluelobster.users.sign_in import WrongPassword, still_enabled
from bluelobster.users.tokens import OneTimeToken
from bluelobster.users.user import User, find_by_email, find_or_add, set_password, verify


class AcceptRequest(RequestBody):
    """A token, and the password to sign in with."""

    token: str = Field(
        min_length=1, max_length=100, description="As it was handed to you", json_schema_extra={"example": "blt_…"}
    )
    password: GivenPassword = Field(
        description=f"A new one of {SHORTEST} characters or more; or, for an invitation, the one that you have already"
    )
    cookie: StrictBool = Field(
        False, description="Put the session into a cookie, which no script can read, instead of showing its token"
    )


@dataclass(frozen=True)
class Proof:
    """What was found out before the transaction: whom the token means, and the hash of a password that is new."""

    email: str
    known: User | None
    new_hash: str | None


async def whose(pool: Pool, wanted: AcceptRequest, now: datetime) -> str:
    """By what tries are counted: the address that the token is about, of which anybody can make more tokens; the token
    itself where it is none."""
    async with pool.connection() as connection:
        try:
            return (await tokens.read(connection, wanted.token, now)).email
        except InvalidRequest:
            return wanted.token


async def accept(
    pool: Pool, passwords: Passwords, wanted: AcceptRequest, origin: Origin, clock: Clock, days: float
) -> NewSession:
    """Use the token, and begin a session. Raises InvalidRequest, WrongPassword and Forbidden."""
    proof = await prove(pool, passwords, wanted, clock)
    now = clock.now()
    async with transaction(pool) as tx:
        token = await tokens.read(tx, wanted.token, now, lock=True)
        user = await _user(tx, token, proof, now)
        if token.user_id is not None:
            await verify(tx, user.id, now)
        elif token.account_member_id is not None:
            await tx.execute(
                "update account_members set user_id = %s where id = %s", (user.id, token.account_member_id)
            )
        else:
            await tx.execute("update team_members set user_id = %s where id = %s", (user.id, token.team_member_id))
        await tokens.use(tx, wanted.token)
        return await begin(tx, user.id, origin, now, days)


async def prove(pool: Pool, passwords: Passwords, wanted: AcceptRequest, clock: Clock) -> Proof:
    """Check the password of a user that there is, or make the hash of a new one: that takes long. Raises
    InvalidRequest and WrongPassword."""
    async with pool.connection() as connection:
        token = await tokens.read(connection, wanted.token, clock.now())
        known = await find_by_email(connection, token.email)
    password = wanted.password.get_secret_value()
    if token.user_id is None and known is not None and known.password_hash is not None:
        if not await passwords.fits(known.password_hash, password):
            raise WrongPassword
        return Proof(token.email, known, None)
    return Proof(token.email, known, await new_hash(passwords, wanted.password, token.email))


async def new_hash(passwords: Passwords, password: SecretStr, email: str) -> str:
    """Raises InvalidRequest for a password that is not good enough."""
    text = password.get_secret_value()
    if len(text) < SHORTEST:
        raise InvalidRequest("weak_password", f"password: must have {SHORTEST} to {LONGEST} characters")
    must_be_good(text, email)
    return await passwords.hash(text)


async def _user(tx: Tx, token: OneTimeToken, proof: Proof, now: datetime) -> User:
    if proof.new_hash is None and proof.known is not None:
        return await still_enabled(tx, proof.known)
    user = await find_or_add(tx, token.email, now)
    if user.disabled_at is not None:
        raise Forbidden("This user is disabled; ask the operator")
    if token.user_id is None and (user.password_hash is not None or user.verified_at is not None):
        # They came to a password, or through the provider, between the look and now.
        raise InvalidRequest("sign_in_first", "token: this address has a user by now; sign in, or try again")
    await set_password(tx, user.id, proof.new_hash)
    await end_all(tx, user.id)
    return user
