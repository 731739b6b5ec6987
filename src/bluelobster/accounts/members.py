"""The people of an account, by e-mail address, and what each may do in all of it."""

from datetime import datetime
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.access.principal import Principal
from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, InvalidRequest, NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.http.text import RequestBody
from bluelobster.keys.create import must_be_staff
from bluelobster.keys.request import AccountRole
from bluelobster.keys.rights import must_be_unlimited
from bluelobster.users.email import Email
from bluelobster.users.tokens import issue
from bluelobster.users.user import invited

VIEW = f"""select id, email, role, invited_by, user_id is not null as joined,
                  {rfc3339_sql("invited_at")} as invited_at
           from account_members"""


class InvitationRequest(RequestBody):
    """Somebody to be in the account."""

    email: Email = Field(description="E-mail address", json_schema_extra={"example": "ada@example.com"})
    role: AccountRole = Field("member", description="What they may do in the account")


class RoleRequest(RequestBody):
    """Another role for somebody in the account."""

    role: AccountRole = Field(description="What they may do in the account")


class Member(BaseModel):
    """Somebody in an account."""

    id: UUID
    email: str
    role: AccountRole
    invited_at: str
    invited_by: str | None = Field(description="The key that invited them, or `user:` and who did")
    joined: bool = Field(description="Whether they took the invitation")


class NewMember(Member):
    """Somebody who is invited; the token is shown this once."""

    invitation_token: str | None = Field(
        description="Hand it to them: with it they join, within 7 days. Null for somebody who is known and has joined"
    )


class Members(BaseModel):
    """Everybody in an account."""

    members: list[Member]
    total: int


async def list_members(tx: Tx, account_id: UUID) -> Members:
    """By e-mail address."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(f"{VIEW} where account_id = %s order by lower(email)", (account_id,))
        members = await cursor.fetchall()
    return Members(members=members, total=len(members))


async def invite(tx: Tx, caller: Principal, wanted: InvitationRequest, now: datetime) -> NewMember:
    """Raises Forbidden for a role above the caller's, and InvalidRequest for somebody who is in the account already and
    for the role staff in an account of customers."""
    caller.must_not_exceed(wanted.role)
    must_be_unlimited(caller)
    member = await add(tx, caller.account_id, wanted, caller.key_prefix, now)
    token = None if member.joined else await issue(tx, "account_member_id", member.id, now)
    return NewMember(**member.model_dump(), invitation_token=token)


async def add(tx: Tx, account_id: UUID, wanted: InvitationRequest, invited_by: str | None, now: datetime) -> Member:
    """The same whoever asks, and without a token."""
    if wanted.role == "staff":
        await must_be_staff(tx, account_id, None)
    member_id = uuid4()
    user_id = await invited(tx, account_id, wanted.email)
    try:
        async with tx.transaction():
            await tx.execute(
                """insert into account_members (id, account_id, email, role, invited_at, invited_by, user_id)
                   values (%s, %s, %s, %s, %s, %s, %s)""",
                (member_id, account_id, wanted.email, wanted.role, now, invited_by, user_id),
            )
    except UniqueViolation as error:
        raise InvalidRequest("already_member", f"{wanted.email} is in the account already; change the role") from error
    return await _find(tx, account_id, member_id)


async def change_role(tx: Tx, caller: Principal, member_id: str, role: AccountRole) -> Member:
    """Raises NotFound, Forbidden where the old or the new role is above the caller's, and Conflict for the last
    owner."""
    owners = await hold_owners(tx, caller.account_id)
    member = await find_member(tx, caller.account_id, member_id)
    caller.must_not_exceed(member.role)
    caller.must_not_exceed(role)
    must_be_unlimited(caller)
    if role == "staff":
        await must_be_staff(tx, caller.account_id, None)
    if role not in {"owner", "staff"}:
        must_not_be_last(member, owners)
    await tx.execute("update account_members set role = %s where id = %s", (role, member.id))
    return member.model_copy(update={"role": role})


async def remove_member(tx: Tx, caller: Principal, member_id: str) -> None:
    """From now on they cannot act in the account, but for teams that they are in. Raises NotFound, Forbidden for
    somebody above the caller, and Conflict for the last owner."""
    owners = await hold_owners(tx, caller.account_id)
    member = await find_member(tx, caller.account_id, member_id)
    caller.must_not_exceed(member.role)
    must_not_be_last(member, owners)
    await tx.execute("delete from account_members where id = %s", (member.id,))


async def find_member(tx: Tx, account_id: UUID, member_id: str) -> Member:
    """Raises NotFound."""
    return await _find(tx, account_id, parsed_id(member_id))


async def _find(tx: Tx, account_id: UUID, member_id: UUID | None) -> Member:
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(f"{VIEW} where account_id = %s and id = %s for update", (account_id, member_id))
        member = await cursor.fetchone()
    if member is None:
        raise NotFound("member_not_found", "The account has no such member")
    return member


async def hold_owners(tx: Tx, account_id: UUID) -> set[UUID]:
    """Everybody who joined and may decide about the account; they stay so until the end of `tx`."""
    cursor = await tx.execute(
        """select id from account_members
           where account_id = %s and role in ('owner', 'staff') and user_id is not null
           order by id for update""",
        (account_id,),
    )
    return {row[0] for row in await cursor.fetchall()}


def must_not_be_last(member: Member, owners: set[UUID]) -> None:
    if owners == {member.id}:
        raise Conflict(
            "last_owner", f"{member.email} is the last owner who signs in; make somebody else an owner first"
        )
