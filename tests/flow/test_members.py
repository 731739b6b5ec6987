"""People of an account: invited, in it with a role, out of it again."""

from cloud import LAUNCH, TestCloud, api_client
from people import PASSWORD, accepted, member, sign_in, signed_in, status


async def test_a_member_may_what_a_key_of_the_role_may(idle_cloud: TestCloud) -> None:
    admin = await member(idle_cloud, "ada@example.com", "admin")
    assert (await admin.post("/instances/launch-instance", json=LAUNCH)).status_code == 200
    viewer = await member(idle_cloud, "vera@example.com", "viewer")
    assert len((await viewer.get("/instances")).json()) == 1
    refused = await viewer.post("/instances/launch-instance", json=LAUNCH)
    assert (refused.status_code, refused.json()["message"]) == (403, "Buyer permission required")
    assert await status(viewer, "/account/members") == 403
    listed = (await admin.get("/account/members")).json()
    assert [(each["email"], each["role"], each["joined"]) for each in listed["members"]] == [
        ("ada@example.com", "admin", True),
        ("vera@example.com", "viewer", True),
    ]


async def test_what_somebody_did_is_in_the_audit_log_under_their_name(idle_cloud: TestCloud) -> None:
    admin = await member(idle_cloud, "ada@example.com", "admin")
    launched = (await admin.post("/instances/launch-instance", json=LAUNCH)).json()
    made = (await admin.post("/keys", json={"name": "ci", "role": "member"})).json()
    assert await status(api_client(idle_cloud.app, made["api_key"])) == 200
    entries = (await idle_cloud.customer.get("/audit-log")).json()["entries"]
    mine = [each for each in entries if each["key_name"] == "ada@example.com"]
    assert {each["operation"] for each in mine} == {"launch_standard_instance", "create_key"}
    (name,) = {each["key_prefix"] for each in mine}
    assert name.startswith("user:")
    (task,) = (await idle_cloud.customer.get("/tasks")).json()["tasks"]
    assert (task["task_id"], task["auth_token_partial"]) == (launched["task_id"], name)


async def test_a_request_with_a_name_is_carried_out_once_for_people_too(idle_cloud: TestCloud) -> None:
    admin = await member(idle_cloud, "ada@example.com", "admin")
    named = {"Idempotency-Key": "one"}
    first = await admin.post("/keys", json={"name": "ci"}, headers=named)
    again = await admin.post("/keys", json={"name": "ci"}, headers=named)
    assert (first.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.json()["prefix"] == first.json()["prefix"]
    assert "api_key" not in again.json()


async def test_nobody_gives_or_takes_a_role_above_their_own(idle_cloud: TestCloud) -> None:
    owner = await member(idle_cloud, "olga@example.com", "owner")
    admin = await member(idle_cloud, "ada@example.com", "admin")
    members = {each["email"]: each["id"] for each in (await owner.get("/account/members")).json()["members"]}
    invitation = {"email": "bob@example.com", "role": "owner"}
    refused = await admin.post("/account/members", json=invitation)
    assert (refused.status_code, refused.json()["message"]) == (
        403,
        "Your role is 'admin': you cannot decide about the role 'owner'",
    )
    olga = f"/account/members/{members['olga@example.com']}"
    assert (await admin.patch(olga, json={"role": "viewer"})).status_code == 403
    assert (await admin.delete(olga)).status_code == 403
    assert (await admin.post("/keys", json={"role": "owner"})).status_code == 403
    ada = f"/account/members/{members['ada@example.com']}"
    assert (await admin.patch(ada, json={"role": "owner"})).status_code == 403
    assert (await owner.patch(ada, json={"role": "viewer"})).json()["role"] == "viewer"
    assert await status(admin, "/keys") == 403
    for client in (owner, idle_cloud.customer):
        staff = await client.post("/account/members", json={"email": "eve@example.com", "role": "staff"})
        assert staff.status_code == 403


async def test_only_accounts_of_staff_have_staff(idle_cloud: TestCloud) -> None:
    invited = await idle_cloud.staff.post("/account/members", json={"email": "sam@ops.example.com", "role": "staff"})
    sam = await accepted(idle_cloud, invited.json()["invitation_token"])
    assert await status(sam, "/admin/accounts") == 200
    wanted = {"email": "eve@example.com", "role": "staff", "account": "customer"}
    refused = await sam.post("/admin/users", json=wanted)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert "role" in refused.json()["message"]


async def test_the_last_owner_stays(idle_cloud: TestCloud) -> None:
    owner = await member(idle_cloud, "olga@example.com", "owner")
    await idle_cloud.customer.post("/account/members", json={"email": "late@example.com", "role": "owner"})
    members = {each["email"]: each["id"] for each in (await owner.get("/account/members")).json()["members"]}
    olga = f"/account/members/{members['olga@example.com']}"
    for answer in (await owner.delete(olga), await idle_cloud.customer.patch(olga, json={"role": "admin"})):
        assert (answer.status_code, answer.json()["error"]) == (409, "last_owner")
    other = await member(idle_cloud, "otto@example.com", "owner")
    assert (await other.delete(olga)).status_code == 204
    assert await status(owner) == 403


async def test_a_removed_member_is_out_at_once(idle_cloud: TestCloud) -> None:
    ada = await member(idle_cloud, "ada@example.com")
    assert await status(ada) == 200
    (found,) = (await idle_cloud.customer.get("/account/members")).json()["members"]
    assert (await idle_cloud.customer.delete(f"/account/members/{found['id']}")).status_code == 204
    refused = await ada.get("/instances")
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    assert (await ada.get("/auth/me")).json()["accounts"] == []
    gone = await idle_cloud.customer.delete(f"/account/members/{found['id']}")
    assert (gone.status_code, gone.json()["error"]) == (404, "member_not_found")


async def test_members_of_others_do_not_exist(idle_cloud: TestCloud) -> None:
    await member(idle_cloud, "ada@example.com")
    (found,) = (await idle_cloud.customer.get("/account/members")).json()["members"]
    path = f"/account/members/{found['id']}"
    assert (await idle_cloud.stranger.get("/account/members")).json()["total"] == 0
    assert (await idle_cloud.stranger.patch(path, json={"role": "viewer"})).status_code == 404
    assert (await idle_cloud.stranger.delete(path)).status_code == 404
    assert (await idle_cloud.stranger.delete("/account/members/nobody")).status_code == 404


async def test_who_is_in_several_accounts_says_in_which(idle_cloud: TestCloud) -> None:
    ada = await member(idle_cloud, "ada@example.com", "viewer")
    await idle_cloud.stranger.post("/instances/launch-instance", json=LAUNCH)
    invited = await idle_cloud.stranger.post("/account/members", json={"email": "Ada@Example.com", "role": "admin"})
    ada = await accepted(idle_cloud, invited.json()["invitation_token"])
    refused = await ada.get("/instances")
    assert (refused.status_code, refused.json()["error"]) == (400, "place_needed")
    assert refused.json()["accounts"] == ["customer", "stranger"]
    assert (await ada.get("/instances", headers={"X-Account": "customer"})).json() == []
    places = {each["name"]: each for each in (await ada.get("/auth/me")).json()["accounts"]}
    assert {name: each["role"] for name, each in places.items()} == {"customer": "viewer", "stranger": "admin"}
    assert len((await ada.get("/instances", headers={"X-Account": places["stranger"]["id"]})).json()) == 1
    assert (await ada.post("/keys", json={}, headers={"X-Account": "customer"})).status_code == 403
    assert (await ada.post("/keys", json={}, headers={"X-Account": "stranger"})).status_code == 201
    assert await status(ada, **{"X-Account": "staff"}) == 403


async def test_an_invitation_is_good_once_and_for_one_account(idle_cloud: TestCloud) -> None:
    made = (await idle_cloud.customer.post("/account/members", json={"email": "ada@example.com"})).json()
    token = made["invitation_token"]
    nobody = api_client(idle_cloud.app, None)
    short = await nobody.post("/auth/invitations/accept", json={"token": token, "password": "short"})
    assert (short.status_code, short.json()["error"]) == (400, "weak_password")
    own = await nobody.post("/auth/invitations/accept", json={"token": token, "password": "ADA@example.com"})
    assert (own.status_code, own.json()["error"]) == (400, "weak_password")
    await accepted(idle_cloud, token)
    for wrong in (token, "blt_nothing", "x"):
        again = await nobody.post("/auth/invitations/accept", json={"token": wrong, "password": PASSWORD})
        assert (again.status_code, again.json()["error"]) == (400, "invalid_token")
    twice = await idle_cloud.customer.post("/account/members", json={"email": "ADA@example.com"})
    assert (twice.status_code, twice.json()["error"]) == (400, "already_member")


async def test_whoever_invites_an_address_does_not_become_its_owner(idle_cloud: TestCloud) -> None:
    """The token of an invitation neither changes the password that there is, nor opens what others invited it to."""
    await member(idle_cloud, "ada@example.com")
    theirs = await idle_cloud.stranger.post("/account/members", json={"email": "ada@example.com"})
    token = theirs.json()["invitation_token"]
    nobody = api_client(idle_cloud.app, None)
    hijack = await nobody.post("/auth/invitations/accept", json={"token": token, "password": "another password"})
    assert (hijack.status_code, hijack.json()["error"]) == (401, "wrong_password")
    assert (await sign_in(idle_cloud, "ada@example.com")).status_code == 200
    squatted = await idle_cloud.stranger.post("/account/members", json={"email": "bob@example.com"})
    bob = await accepted(idle_cloud, squatted.json()["invitation_token"])
    invited = await idle_cloud.customer.post("/account/members", json={"email": "bob@example.com", "role": "owner"})
    assert not invited.json()["joined"]
    assert [each["name"] for each in (await bob.get("/auth/me")).json()["accounts"]] == ["stranger"]


async def test_a_member_of_a_team_acts_in_that_team(idle_cloud: TestCloud) -> None:
    first, second = [
        (await idle_cloud.customer.post("/teams", json={"name": name})).json()["id"] for name in ("Research", "Sales")
    ]
    invited = (await idle_cloud.customer.post(f"/teams/{first}/members", json={"email": "t@example.com"})).json()
    tina = await accepted(idle_cloud, invited["invitation_token"])
    launched = (await idle_cloud.launch())["vm_uuid"]
    assert (await tina.get("/instances")).json() == []
    assert await status(tina, f"/instances/{launched}") == 404
    await idle_cloud.customer.put(f"/instances/{launched}/team", json={"team_id": first})
    assert len((await tina.get("/instances")).json()) == 1
    assert await status(tina, "/account") == 403
    (team,) = (await tina.get("/auth/me")).json()["teams"]
    assert (team["id"], team["role"], team["account"]) == (first, "member", "customer")
    again = await idle_cloud.customer.post(f"/teams/{second}/members", json={"email": "t@example.com", "role": "admin"})
    assert (again.json()["joined"], again.json()["invitation_token"]) == (True, None)
    unsaid = await tina.get("/instances")
    assert (unsaid.status_code, "X-Team" in unsaid.json()["message"]) == (400, True)
    assert len((await tina.get("/instances", headers={"X-Team": "research"})).json()) == 1
    assert (await tina.get("/instances", headers={"X-Team": second})).json() == []
    made = await tina.post(f"/teams/{second}/keys", json={"role": "member"}, headers={"X-Team": second})
    assert made.status_code == 201
    removed = await idle_cloud.customer.delete(f"/teams/{first}/members/{invited['id']}")
    assert removed.status_code == 204
    assert (await tina.get("/instances")).json() == []


async def test_closing_the_account_shuts_its_members_out(idle_cloud: TestCloud) -> None:
    owner = await member(idle_cloud, "olga@example.com", "owner")
    assert (await owner.post("/account/close", json={"name": "customer"})).status_code == 200
    refused = await owner.get("/instances")
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")


async def test_staff_makes_disables_and_lets_in_again(idle_cloud: TestCloud) -> None:
    wanted = {"email": "joan@example.com", "account": "customer", "role": "admin"}
    made = (await idle_cloud.staff.post("/admin/users", json=wanted)).json()
    joan = await accepted(idle_cloud, made["password_token"])
    assert await status(joan, "/keys") == 200
    listed = (await idle_cloud.staff.get("/admin/users?search=JOAN")).json()["users"]
    assert [(each["email"], each["accounts"]) for each in listed] == [("joan@example.com", ["customer"])]
    assert listed[0]["verified_at"]
    path = f"/admin/users/{made['user']['id']}"
    assert (await idle_cloud.staff.patch(path, json={"disabled": True})).json()["disabled_at"]
    assert await status(joan) == 401
    refused = await sign_in(idle_cloud, "joan@example.com")
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    assert (await idle_cloud.staff.get("/admin/users?disabled=true&limit=1")).json()["users"][0]["disabled_at"]
    assert (await idle_cloud.staff.patch(path, json={"disabled": False})).json()["disabled_at"] is None
    joan = signed_in(idle_cloud, (await sign_in(idle_cloud, "joan@example.com")).json()["token"])
    reset = (await idle_cloud.staff.post(f"{path}/reset-password")).json()["password_token"]
    await accepted(idle_cloud, reset, "a new password")
    assert await status(joan) == 401
    assert (await sign_in(idle_cloud, "joan@example.com")).status_code == 401
    assert (await sign_in(idle_cloud, "joan@example.com", "a new password")).status_code == 200
    known = await idle_cloud.staff.post("/admin/users", json={**wanted, "account": "stranger"})
    assert known.json()["password_token"] is None
    assert known.json()["user"]["accounts"] == ["customer", "stranger"]
    entries = (await idle_cloud.stranger.get("/audit-log")).json()["entries"]
    assert [each["operation"] for each in entries] == ["admin_create_user"]
    for wrong in ("/admin/users/nobody", f"/admin/users/{made['account_id']}"):
        assert (await idle_cloud.staff.patch(wrong, json={"disabled": True})).status_code == 404


async def test_nobody_disables_themselves(idle_cloud: TestCloud) -> None:
    invited = await idle_cloud.staff.post("/account/members", json={"email": "sam@ops.example.com", "role": "staff"})
    sam = await accepted(idle_cloud, invited.json()["invitation_token"])
    own = (await sam.get("/auth/me")).json()["id"]
    refused = await sam.patch(f"/admin/users/{own}", json={"disabled": True})
    assert (refused.status_code, refused.json()["error"]) == (400, "own_user")
