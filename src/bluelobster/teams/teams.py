"""Teams: a name under which some of an account's machines, and the keys that see only them, are kept together."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.access.principal import Sight
from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.http.patterns import pattern
from bluelobster.http.text import RequestBody

VIEW = f"""select t.id, t.name, {rfc3339_sql("t.created_at")} as created_at,
                 (select count(*) from instances i where i.team_id = t.id and i.ended_at is null)::int as instances,
                 (select count(*) from team_members m where m.team_id = t.id)::int as members
          from teams t
          where t.account_id = %(account_id)s and (%(team_id)s::uuid is null or t.id = %(team_id)s)"""


WITHOUT_MARGINS = pattern(r"^\S(.*\S)?$", "Must be one line, without white space at either end")


class TeamRequest(RequestBody):
    """A team's name, unique in the account whatever its case."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=WITHOUT_MARGINS)] = Field(
        description="Up to 64 characters", json_schema_extra={"example": "Research"}
    )


class Team(BaseModel):
    """A team with how many machines and members it has."""

    id: UUID
    name: str
    created_at: str
    instances: int
    members: int


class Teams(BaseModel):
    """The teams that a caller sees."""

    teams: list[Team]
    total: int


async def list_teams(tx: Tx, sight: Sight) -> Teams:
    """By name."""
    async with tx.cursor(row_factory=class_row(Team)) as cursor:
        await cursor.execute(f"{VIEW} order by lower(t.name)", vars(sight))
        teams = await cursor.fetchall()
    return Teams(teams=teams, total=len(teams))


async def find_team(tx: Tx, sight: Sight, team_id: str, *, lock: bool = False) -> Team:
    """A team within the caller's sight; raises NotFound. With `lock`, nobody else changes or deletes it until the
    end of `tx`."""
    if lock:
        await tx.execute("select from teams where id = %s for update", (parsed_id(team_id),))
    async with tx.cursor(row_factory=class_row(Team)) as cursor:
        await cursor.execute(f"{VIEW} and t.id = %(id)s", {**vars(sight), "id": parsed_id(team_id)})
        team = await cursor.fetchone()
    if team is None:
        raise team_not_found()
    return team


def team_not_found() -> NotFound:
    return NotFound("team_not_found", "Team not found")


async def create_team(tx: Tx, sight: Sight, name: str, now: datetime) -> Team:
    """A new team without machines or members. Raises InvalidRequest for a name that is taken."""
    team_id = uuid4()
    try:
        async with tx.transaction():
            await tx.execute(
                "insert into teams (id, account_id, name, created_at) values (%s, %s, %s, %s)",
                (team_id, sight.account_id, name, now),
            )
    except UniqueViolation as error:
        raise taken(name) from error
    return await find_team(tx, sight, str(team_id))


async def rename_team(tx: Tx, sight: Sight, team_id: str, name: str) -> Team:
    """Raises NotFound, and InvalidRequest for a name that is taken."""
    team = await find_team(tx, sight, team_id, lock=True)
    try:
        async with tx.transaction():
            await tx.execute("update teams set name = %s where id = %s", (name, team.id))
    except UniqueViolation as error:
        raise taken(name) from error
    return team.model_copy(update={"name": name})


async def delete_team(tx: Tx, sight: Sight, team_id: str, now: datetime) -> None:
    """Its machines stay, as the account's; its members go, and its keys open nothing any more. Raises NotFound."""
    team = await find_team(tx, sight, team_id, lock=True)
    await tx.execute("update instances set team_id = null, updated_at = %s where team_id = %s", (now, team.id))
    await tx.execute(
        "update api_keys set team_id = null, revoked_at = coalesce(revoked_at, %s) where team_id = %s", (now, team.id)
    )
    await tx.execute("delete from teams where id = %s", (team.id,))


def taken(name: str) -> InvalidRequest:
    return InvalidRequest("name_taken", f"A team named {name} exists already; choose another name")
