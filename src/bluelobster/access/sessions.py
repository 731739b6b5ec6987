"""Who is signed in: found by the token of their session, with the places in which they may act."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bluelobster.access.keys import hash_of
from bluelobster.access.last_use import EVERY, Use, address_of
from bluelobster.access.permissions import Role
from bluelobster.access.principal import Principal
from bluelobster.access.tokens import SESSION, is_token
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.errors import Forbidden, InvalidRequest, Unauthorized


@dataclass(frozen=True)
class Place:
    """An account, or one of its teams, with the role that somebody has there."""

    account_id: UUID
    account: str
    role: Role
    team_id: UUID | None
    team: str | None

    def is_in(self, account: str) -> bool:
        return account in {self.account, str(self.account_id)}

    def is_team(self, team: str) -> bool:
        return self.team is not None and (team == str(self.team_id) or team.lower() == self.team.lower())


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in, and where they may act."""

    id: UUID
    user_id: UUID
    prefix: str
    email: str
    places: tuple[Place, ...]

    def principal(self, account: str | None, team: str | None) -> Principal:
        """The caller that they are in the place that they name, or in the only one that it can be. Raises Forbidden,
        and InvalidRequest where there are several."""
        place = self._place(account, team)
        return Principal(place.account_id, place.role, f"user:{self.prefix}", place.team_id, session_id=self.id)

    def _place(self, account: str | None, team: str | None) -> Place:
        """All of an account goes before its teams. Between accounts nothing is chosen: whoever invites somebody must
        not get what was meant for another account."""
        if not self.places:
            raise Forbidden("You are in no account yet: ask somebody who is for an invitation")
        fitting = [each for each in self.places if account is None or each.is_in(account)]
        if team is not None:
            fitting = [each for each in fitting if each.is_team(team)]
        elif len({each.account_id for each in fitting}) == 1:
            fitting = [each for each in fitting if each.team_id is None] or fitting
        if not fitting:
            raise Forbidden("You may not act in what X-Account and X-Team name")
        if len(fitting) > 1:
            names = sorted({each.account for each in fitting})
            header = "X-Account" if len(names) > 1 else "X-Team"
            raise InvalidRequest(
                "place_needed", f"You may act in several places: say in the header {header} which", accounts=names
            )
        return fitting[0]


async def identify_session(pool: Pool, token: str | None, now: datetime, idle: timedelta) -> Session:
    """Whose session it is. Raises Unauthorized for none, and for one that has ended or whose user is disabled."""
    if token is None:
        raise Unauthorized
    ended = Unauthorized("There is no such session, or it has ended; sign in again")
    if not is_token(token, SESSION):
        raise ended
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """select s.id, u.id, u.prefix, u.email
               from sessions s join users u on u.id = s.user_id
               where s.hash = %s and s.expires_at > %s and s.seen_at > %s and u.disabled_at is null""",
            (hash_of(token), now, now - idle),
        )
        row = await cursor.fetchone()
        if row is None:
            raise ended
        session_id, user_id, prefix, email = row
        return Session(session_id, user_id, prefix, email, await places_of(connection, user_id))


async def places_of(tx: Tx, user_id: UUID) -> tuple[Place, ...]:
    """Where somebody may act: by account, the whole of it first."""
    cursor = await tx.execute(
        """select account_id, account, role, team_id, team from places where user_id = %s
           order by account, team nulls first""",
        (user_id,),
    )
    return tuple(Place(*row) for row in await cursor.fetchall())


async def write_uses(pool: Pool, uses: dict[str, Use]) -> None:
    """When sessions were seen, by id; nobody waits for a row."""
    async with transaction(pool) as tx:
        await tx.execute(
            """update sessions s set seen_at = u.at, seen_ip = u.ip
               from unnest(%(ids)s::uuid[], %(times)s::timestamptz[], %(hosts)s::inet[]) u (id, at, ip)
               where s.id = u.id and s.seen_at <= u.at - %(every)s
                 and s.id in (select id from sessions where id = any(%(ids)s::uuid[]) for no key update skip locked)""",
            {
                "ids": list(uses),
                "times": [use.at for use in uses.values()],
                "hosts": [address_of(use.host) for use in uses.values()],
                "every": EVERY,
            },
        )
