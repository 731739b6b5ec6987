"""Whoever is signed in, and where they may act."""

from uuid import UUID

from pydantic import BaseModel, Field

from bluelobster.access.permissions import Role
from bluelobster.access.sessions import Session
from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx


class AccountPlace(BaseModel):
    """An account with the role that one has in all of it."""

    id: UUID
    name: str = Field(description="Say it in `X-Account` to act in it")
    role: Role


class TeamPlace(BaseModel):
    """A team with the role that one has in it."""

    id: UUID = Field(description="Say it in `X-Team` to act in it")
    name: str
    role: Role
    account_id: UUID
    account: str


class Me(BaseModel):
    """Somebody who is signed in."""

    id: UUID
    email: str
    created_at: str
    has_password: bool = Field(description="False for somebody who signs in through the identity provider only")
    accounts: list[AccountPlace]
    teams: list[TeamPlace]


async def read_me(tx: Tx, session: Session) -> Me:
    cursor = await tx.execute(
        f"select {rfc3339_sql('created_at')}, password_hash is not null from users where id = %s", (session.user_id,)
    )
    created_at, has_password = await cursor.fetchone() or ("", False)
    return Me(
        id=session.user_id,
        email=session.email,
        created_at=created_at,
        has_password=has_password,
        accounts=[
            AccountPlace(id=each.account_id, name=each.account, role=each.role)
            for each in session.places
            if each.team_id is None
        ],
        teams=[
            TeamPlace(
                id=each.team_id, name=each.team or "", role=each.role, account_id=each.account_id, account=each.account
            )
            for each in session.places
            if each.team_id is not None
        ],
    )
