"""The people of a team, by e-mail address, and what each may do in it."""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.access.principal import Principal
from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.http.text import RequestBody
from bluelobster.keys.rights import must_be_unlimited
from bluelobster.users.email import Email
from bluelobster.users.tokens import issue
from bluelobster.users.user import invited

TeamRole = Literal["viewer", "member", "admin", "owner"]
VIEW = f"""select id, email, role, invited_by, user_id is not null as joined,
                 {rfc3339_sql("invited_at")} as invited_at
          from team_members"""


class InvitationRequest(RequestBody):
    """Somebody to be in the team. Nothing is sent."""

    email: Email = Field(description="E-mail address", json_schema_extra={"example": "ada@example.com"})
    role: TeamRole = Field("member", description="What they may do in the team")


class RoleRequest(RequestBody):
    """Another role for somebody in the team."""

    role: TeamRole = Field(description="What they may do in the team")


class Member(BaseModel):
    """Somebody in a team."""

    id: UUID
    email: str
    role: TeamRole
    invited_at: str
    invited_by: str | None = Field(description="The key that invited them, or `user:` and who did")
    joined: bool = Field(description="Whether they took the invitation")


class NewMember(Member):
    """Somebody who is invited; the token is shown this once."""

    invitation_token: str | None = Field(
        description="Hand it to them: with it they join, within 7 days. Null for somebody who is known and has joined"
    )


class Members(BaseModel):
    """Everybody in a team."""

    members: list[Member]
    total: int


async def list_members(tx: Tx, team_id: UUID) -> Members:
    """By e-mail address."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(f"{VIEW} where team_id = %s order by lower(email)", (team_id,))
        members = await cursor.fetchall()
    return Members(members=members, total=len(members))


async def invite(tx: Tx, caller: Principal, team_id: UUID, wanted: InvitationRequest, now: datetime) -> NewMember:
    """Raises Forbidden for a role above the caller's, and InvalidRequest for somebody who is in the team already."""
    caller.must_not_exceed(wanted.role)
    must_be_unlimited(caller)
    member_id = uuid4()
    user_id = await invited(tx, caller.account_id, wanted.email)
    try:
        async with tx.transaction():
            await tx.execute(
                """insert into team_members (id, team_id, email, role, invited_at, invited_by, user_id)
                   values (%s, %s, %s, %s, %s, %s, %s)""",
                (member_id, team_id, wanted.email, wanted.role, now, caller.key_prefix, user_id),
            )
    except UniqueViolation as error:
        raise InvalidRequest("already_member", f"{wanted.email} is in the team already; change the role") from error
    token = None if user_id else await issue(tx, "team_member_id", member_id, now)
    return NewMember(**(await find_member(tx, team_id, str(member_id))).model_dump(), invitation_token=token)


async def find_member(tx: Tx, team_id: UUID, member_id: str) -> Member:
    """Raises NotFound."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(f"{VIEW} where team_id = %s and id = %s for update", (team_id, parsed_id(member_id)))
        member = await cursor.fetchone()
    if member is None:
        raise NotFound("member_not_found", "The team has no such member")
    return member


async def change_role(tx: Tx, caller: Principal, team_id: UUID, member_id: str, role: TeamRole) -> Member:
    """Raises NotFound, and Forbidden where the old or the new role is above the caller's."""
    member = await find_member(tx, team_id, member_id)
    caller.must_not_exceed(member.role)
    caller.must_not_exceed(role)
    must_be_unlimited(caller)
    await tx.execute("update team_members set role = %s where id = %s", (role, member.id))
    return member.model_copy(update={"role": role})


async def remove_member(tx: Tx, caller: Principal, team_id: UUID, member_id: str) -> None:
    """Raises NotFound, and Forbidden for somebody above the caller."""
    member = await find_member(tx, team_id, member_id)
    caller.must_not_exceed(member.role)
    await tx.execute("delete from team_members where id = %s", (member.id,))
