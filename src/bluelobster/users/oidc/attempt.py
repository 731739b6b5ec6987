"""One way to the identity provider and back.

What the browser keeps in a cookie until it is back is one secret; all else follows from it. So the database holds only
what tells that a way was begun and not ended, and nobody can end one that another browser began.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest

MINUTES = 10
SECRET_BYTES = 32


@dataclass(frozen=True)
class Attempt:
    """`state` comes back with the browser, `nonce` inside the ID token, and `verifier` proves to the provider that who
    redeems the code is who asked for it (RFC 7636)."""

    secret: str

    @property
    def state(self) -> str:
        return self._derived(b"state")

    @property
    def nonce(self) -> str:
        return self._derived(b"nonce")

    @property
    def verifier(self) -> str:
        return self._derived(b"verifier")

    @property
    def challenge(self) -> str:
        return text_of(hashlib.sha256(self.verifier.encode()).digest())

    @property
    def state_hash(self) -> bytes:
        return hashlib.sha256(self.state.encode()).digest()

    def _derived(self, purpose: bytes) -> str:
        return text_of(hmac.digest(self.secret.encode(), purpose, "sha256"))


def text_of(value: bytes) -> str:
    """Base64 as it stands in URLs, without padding."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


async def begin(tx: Tx, now: datetime) -> Attempt:
    attempt = Attempt(secrets.token_urlsafe(SECRET_BYTES))
    await tx.execute(
        "insert into oidc_attempts (state_hash, expires_at) values (%s, %s)",
        (attempt.state_hash, now + timedelta(minutes=MINUTES)),
    )
    return attempt


async def end(tx: Tx, secret: str | None, state: str, now: datetime) -> Attempt:
    """The way that comes back: once. Raises InvalidRequest for one that this browser did not begin, that took too long
    or has come back already."""
    attempt = Attempt(secret or "")
    if secret and hmac.compare_digest(attempt.state.encode(), state.encode()):
        done = await tx.execute(
            "delete from oidc_attempts where state_hash = %s and expires_at > %s", (attempt.state_hash, now)
        )
        if done.rowcount:
            return attempt
    raise InvalidRequest("invalid_state", "state: this sign-in was not begun here, or is over; sign in again")
