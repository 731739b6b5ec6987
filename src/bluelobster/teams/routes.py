"""The routes of teams."""

import json
from typing import Any

from fastapi import APIRouter

from bluelobster.access.keys import list_keys
from bluelobster.access.principal import Sight
from bluelobster.access.route import MARKED, Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.http.body import JsonBody
from bluelobster.instances.list import ListQuery, list_page
from bluelobster.keys import change, create
from bluelobster.keys.request import RotationRequest, TeamKeyRequest
from bluelobster.keys.view import Keys, NewKey, keys_view
from bluelobster.teams import assign, members, teams
from bluelobster.teams.members import InvitationRequest, Member, Members, NewMember, RoleRequest
from bluelobster.teams.teams import Team, TeamRequest, Teams, find_team

router = APIRouter(prefix="/api/v1/teams", tags=["TEAMS"], route_class=IdentifiedRoute)
listing = APIRouter(prefix="/api/v1/teams", tags=["INSTANCES"], route_class=IdentifiedRoute)
instances = APIRouter(prefix="/api/v1/instances", tags=["INSTANCES"], route_class=IdentifiedRoute)


@instances.put("/{instance_id}/team", summary="Assign an instance to a team", dependencies=MARKED)
async def assign_vm_to_team(instance_id: str, body: JsonBody, caller: Caller, tx: Transaction, clock: Time) -> Any:
    """Put an instance into a team (`{"team_id": "<uuid>"}`); keys that are scoped to it then see it."""
    return await assign.assign(tx, caller, instance_id, body, clock.now())


@instances.delete("/{instance_id}/team", summary="Take an instance out of its team", dependencies=MARKED)
async def remove_vm_from_team(instance_id: str, caller: Caller, tx: Transaction, clock: Time) -> Any:
    """The instance stays the account's."""
    return await assign.remove(tx, caller, instance_id, clock.now())


@router.get("", summary="List teams")
async def list_teams(caller: Caller, tx: Reading) -> Teams:
    """Every team of the account; a key that is scoped to a team sees that one."""
    return await teams.list_teams(tx, caller.sight)


@router.post("", summary="Create a team", status_code=201)
async def create_team(wanted: TeamRequest, caller: Caller, tx: Transaction, clock: Time) -> Team:
    """A team without instances, members or keys."""
    return await teams.create_team(tx, caller.sight, wanted.name, clock.now())


@router.get("/{team_id}", summary="A team")
async def get_team(team_id: str, caller: Caller, tx: Reading) -> Team:
    """A team, and how many instances and members it has."""
    return await find_team(tx, caller.sight, team_id)


@router.patch("/{team_id}", summary="Rename a team")
async def rename_team(team_id: str, wanted: TeamRequest, caller: Caller, tx: Transaction) -> Team:
    """Names are unique in the account, whatever their case."""
    return await teams.rename_team(tx, caller.sight, team_id, wanted.name)


@router.delete("/{team_id}", summary="Delete a team", status_code=204)
async def delete_team(team_id: str, caller: Caller, tx: Transaction, clock: Time) -> None:
    """Its instances stay, as the account's; its keys are revoked."""
    await teams.delete_team(tx, caller.sight, team_id, clock.now())


@listing.get("/{team_id}/instances", summary="List a team's instances", dependencies=MARKED)
async def list_team_instances(team_id: str, caller: Caller, tx: Transaction) -> Any:
    """The instances of a team, newest first."""
    team = await find_team(tx, caller.sight, team_id)
    text, _ = await list_page(tx, Sight(caller.account_id, team.id), ListQuery())
    listed = json.loads(text)
    return {"team_id": str(team.id), "team_name": team.name, "instances": listed, "total": len(listed)}


@router.get("/{team_id}/members", summary="List a team's members")
async def list_team_members(team_id: str, caller: Caller, tx: Reading) -> Members:
    """Everybody in the team, with their roles."""
    return await members.list_members(tx, (await find_team(tx, caller.sight, team_id)).id)


@router.post("/{team_id}/members", summary="Invite somebody to a team", status_code=201)
async def invite_team_member(
    team_id: str, wanted: InvitationRequest, caller: Caller, tx: Transaction, clock: Time
) -> NewMember:
    """No message is sent: hand them the token, which is shown this once. Nobody gives a role above their own."""
    team = await find_team(tx, caller.sight, team_id, lock=True)
    return await members.invite(tx, caller, team.id, wanted, clock.now())


@router.patch("/{team_id}/members/{member_id}", summary="Change a member's role")
async def change_team_member(
    team_id: str, member_id: str, wanted: RoleRequest, caller: Caller, tx: Transaction
) -> Member:
    """Nobody gives or takes a role above their own."""
    team = await find_team(tx, caller.sight, team_id, lock=True)
    return await members.change_role(tx, caller, team.id, member_id, wanted.role)


@router.delete("/{team_id}/members/{member_id}", summary="Remove a member", status_code=204)
async def remove_team_member(team_id: str, member_id: str, caller: Caller, tx: Transaction) -> None:
    """Nobody removes a member whose role is above their own."""
    team = await find_team(tx, caller.sight, team_id, lock=True)
    await members.remove_member(tx, caller, team.id, member_id)


@router.get("/{team_id}/keys", summary="List a team's keys")
async def list_team_keys(team_id: str, caller: Caller, tx: Reading) -> Keys:
    """Without their secrets."""
    team = await find_team(tx, caller.sight, team_id)
    return keys_view(await list_keys(tx, caller.account_id, team.id))


@router.post("/{team_id}/keys", summary="Make a key of a team", status_code=201)
async def create_team_key(team_id: str, wanted: TeamKeyRequest, caller: Caller, tx: Transaction, clock: Time) -> NewKey:
    """A key that sees this team's instances only, and may at most what the one may that makes it. It is shown this
    once."""
    team = await find_team(tx, caller.sight, team_id, lock=True)
    return await create.create_team_key(tx, caller, team.id, wanted, clock.now())


@router.post("/{team_id}/keys/{prefix}/rotate", summary="Give a key of a team another secret")
async def rotate_team_key(
    team_id: str, prefix: str, wanted: RotationRequest, caller: Caller, tx: Transaction, clock: Time
) -> NewKey:
    """The old secret is good for `overlap_hours` longer. The new one is shown this once."""
    team = await find_team(tx, caller.sight, team_id)
    found = await change.find(tx, caller.account_id, prefix, team.id)
    return await change.rotate(tx, caller, found, wanted, clock.now())


@router.delete("/{team_id}/keys/{prefix}", summary="Revoke a key of a team", status_code=204)
async def revoke_team_key(team_id: str, prefix: str, caller: Caller, tx: Transaction, clock: Time) -> None:
    """From now on it opens nothing."""
    team = await find_team(tx, caller.sight, team_id)
    await change.revoke(tx, caller, await change.find(tx, caller.account_id, prefix, team.id), clock.now())
