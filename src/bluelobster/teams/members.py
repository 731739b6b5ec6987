"""The people of a team, by e-mail address, and what each may do in it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.access.principal import Principal
from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.http.patterns import pattern
from bluelobster.http.text import RequestBody
from bluelobster.instances.find import parsed_id

TeamRole = Literal["viewer", "member", "admin", "owner"]
EMAIL = pattern(
    r"^[^@\s<>\"'(),:;\[\]\\]+@[^@\s<>\"'(),:;\[\]\\]+\.[^@\s<>\"'(),:;\[\]\\]+$",
    "Must be an e-mail address, such as ada@example.com",
)
VIEW = f"""select id, email, role, invited_by,
                 {rfc3339_sql("invited_at")} as invited_at
          from team_members"""


class InvitationRequest(RequestBody):
    """Somebody to be in the team. Nothing is sent: the invitation is kept for when they sign in."""

    email: Annotated[str, Field(max_length=254, pattern=EMAIL)] = Field(
        description="E-mail address", json_schema_extra={"example": "ada@example.com"}
    )
    role: TeamRole = Field("member", description="What they may do in the team")


class RoleRequest(RequestBody):
    """Another role for somebody in the team."""

    role: TeamRole = Field(description="What they may do in the team")


class Member(BaseModel):
    """Somebody in a team; `invited_by` is the prefix of the key that invited them."""

    id: UUID
    email: str
    role: TeamRole
    invited_at: str
    invited_by: str | None


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


async def invite(tx: Tx, caller: Principal, team_id: UUID, wanted: InvitationRequest, now: datetime) -> Member:
    """Raises Forbidden for a role above the caller's, and InvalidRequest for somebody who is in the team already."""
    caller.must_not_exceed(wanted.role)
    member_id = uuid4()
    try:
        async with tx.transaction():
            await tx.execute(
                """insert into team_members (id, team_id, email, role, invited_at, invited_by)
                   values (%s, %s, %s, %s, %s, %s)""",
                (member_id, team_id, wanted.email, wanted.role, now, caller.key_prefix),
            )
    except UniqueViolation as error:
        raise InvalidRequest("already_member", f"{wanted.email} is in the team already; change the role") from error
    return await find_member(tx, team_id, str(member_id))


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
    await tx.execute("update team_members set role = %s where id = %s", (role, member.id))
    return member.model_copy(update={"role": role})


async def remove_member(tx: Tx, caller: Principal, team_id: UUID, member_id: str) -> None:
    """Raises NotFound, and Forbidden for somebody above the caller."""
    member = await find_member(tx, team_id, member_id)
    caller.must_not_exceed(member.role)
    await tx.execute("delete from team_members where id = %s", (member.id,))
