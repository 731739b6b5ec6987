"""Sessions: begun by signing in, ended by signing out, by time, or with what they were begun with."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.access.keys import hash_of
from bluelobster.access.last_use import address_of
from bluelobster.access.sessions import Session
from bluelobster.access.tokens import SESSION, new_token
from bluelobster.clock import Clock, rfc3339, rfc3339_sql
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.errors import NotFound
from bluelobster.http.text import CONTROL

LONGEST_AGENT = 200


@dataclass(frozen=True)
class Origin:
    """From where somebody signs in."""

    host: str
    user_agent: str


class NewSession(BaseModel):
    """A session that begins; `token` is shown this once."""

    token: str | None = Field(
        description="Send it as `Authorization: Bearer …`; null when it was put into a cookie instead",
        json_schema_extra={"example": "bls_…"},
    )
    expires_at: str = Field(description="When it ends at the latest; it ends earlier when it is not used")


class SessionView(BaseModel):
    """A session without its token."""

    id: UUID
    created_at: str
    seen_at: str = Field(description="To the minute")
    expires_at: str
    ip: str | None = Field(description="Where it was last used from")
    user_agent: str
    current: bool = Field(description="Whether it is the one that asks")


class Sessions(BaseModel):
    """Sessions that have not ended, newest first."""

    sessions: list[SessionView]
    total: int


async def begin(tx: Tx, user_id: UUID, origin: Origin, now: datetime, days: float) -> NewSession:
    """A session of a user, which lasts so many days at most."""
    token = new_token(SESSION)
    expires_at = now + timedelta(days=days)
    agent = CONTROL.sub("?", origin.user_agent)[:LONGEST_AGENT]
    await tx.execute(
        """insert into sessions (id, hash, user_id, created_at, seen_at, expires_at, seen_ip, user_agent)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        (uuid4(), hash_of(token), user_id, now, now, expires_at, address_of(origin.host), agent),
    )
    return NewSession(token=token, expires_at=rfc3339(expires_at))


async def list_sessions(tx: Tx, session: Session, now: datetime, idle: timedelta) -> Sessions:
    async with tx.cursor(row_factory=class_row(SessionView)) as cursor:
        await cursor.execute(
            f"""select id, {rfc3339_sql("created_at")} as created_at, {rfc3339_sql("seen_at")} as seen_at,
                       {rfc3339_sql("expires_at")} as expires_at, host(seen_ip) as ip, user_agent,
                       id = %(current)s as current
                from sessions where user_id = %(user_id)s and expires_at > %(now)s and seen_at > %(since)s
                order by sessions.created_at desc, id""",
            {"current": session.id, "user_id": session.user_id, "now": now, "since": now - idle},
        )
        shown = await cursor.fetchall()
    return Sessions(sessions=shown, total=len(shown))


async def end(tx: Tx, session: Session, session_id: UUID) -> None:
    """End one of the user's sessions. Raises NotFound."""
    done = await tx.execute("delete from sessions where id = %s and user_id = %s", (session_id, session.user_id))
    if not done.rowcount:
        raise NotFound("session_not_found", "You have no such session")


async def end_all(tx: Tx, user_id: UUID, but: UUID | None = None) -> None:
    """End a user's sessions, but for one."""
    await tx.execute("delete from sessions where user_id = %s and id is distinct from %s", (user_id, but))


async def forget_ended(pool: Pool, clock: Clock, idle: timedelta) -> None:
    """Remove sessions that have ended by time, and tokens and ways to the provider that nobody used in theirs."""
    now = clock.now()
    async with transaction(pool) as tx:
        await tx.execute("delete from sessions where expires_at <= %s or seen_at <= %s", (now, now - idle))
        await tx.execute("delete from one_time_tokens where expires_at <= %s", (now,))
        await tx.execute("delete from oidc_attempts where expires_at <= %s", (now,))
