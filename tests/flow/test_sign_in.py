"""Signing in with a password: sessions, their end, cookies, and those who guess."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bluelobster.clock import SystemClock
from bluelobster.users.sessions import forget_ended
from cloud import TestCloud, api_client, eventually, running_cloud
from people import PASSWORD, accepted, member, sign_in, signed_in, status
from set_clock import SetClock

ADA = "ada@example.com"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@asynccontextmanager
async def timed_cloud(database: str, tmp_path: Path, **changes: Any) -> AsyncIterator[TestCloud]:
    """A cloud whose clock is `cloud.app.state.clock`."""
    async with running_cloud(database, tmp_path, worker=False, **changes) as cloud:
        cloud.app.state.clock = SetClock(SystemClock().now())
        yield cloud


@pytest.fixture
async def timed(database: str, tmp_path: Path) -> AsyncIterator[TestCloud]:
    async with timed_cloud(database, tmp_path) as cloud:
        yield cloud


def browser(cloud: TestCloud, url: str = "https://api") -> httpx.AsyncClient:
    """A client that keeps cookies, and says as browsers do which page asks."""
    client = api_client(cloud.app, None)
    client.base_url = httpx.URL(f"{url}/api/v1")
    client.headers.update(SAME_SITE)
    return client


async def test_a_session_s_life(idle_cloud: TestCloud) -> None:
    await member(idle_cloud, ADA, "admin")
    answer = await sign_in(idle_cloud, "ADA@example.com")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    ada = signed_in(idle_cloud, answer.json()["token"])
    me = (await ada.get("/auth/me")).json()
    assert (me["email"], me["has_password"], me["teams"]) == (ADA, True, [])
    assert [(each["name"], each["role"]) for each in me["accounts"]] == [("customer", "admin")]
    listed = (await ada.get("/auth/sessions")).json()
    assert [each["current"] for each in listed["sessions"]] == [True, False]
    assert listed["sessions"][0]["ip"] == "198.51.100.7"
    assert answer.json()["token"] not in str(listed)
    assert (await ada.post("/auth/sign-out")).status_code == 204
    for path in ("/instances", "/auth/me"):
        refused = await ada.get(path)
        assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")


async def test_a_wrong_password_and_an_unknown_address_are_answered_alike(idle_cloud: TestCloud) -> None:
    await member(idle_cloud, ADA)
    wrong = await sign_in(idle_cloud, ADA, "not the password")
    unknown = await sign_in(idle_cloud, "nobody@example.com")
    assert wrong.status_code == unknown.status_code == 401
    assert (
        wrong.json() == unknown.json() == {"error": "wrong_password", "message": "The email or the password is wrong"}
    )


async def test_no_password_and_no_token_is_in_the_database(idle_cloud: TestCloud) -> None:
    invited = await idle_cloud.customer.post("/account/members", json={"email": ADA})
    token = invited.json()["invitation_token"]
    kept = await idle_cloud.one("select string_agg(t::text, '') from one_time_tokens t")
    ada = await accepted(idle_cloud, token)
    session = ada.headers["Authorization"].removeprefix("Bearer ")
    kept += await idle_cloud.one("select string_agg(s::text, '') from sessions s")
    kept += await idle_cloud.one("select string_agg(u::text, '') from users u")
    assert "$argon2id$" in kept
    for secret in (token, session, PASSWORD):
        assert secret not in kept
        assert secret.encode().hex() not in kept


async def test_a_password_is_changed_by_whoever_knows_it(idle_cloud: TestCloud) -> None:
    ada = await member(idle_cloud, ADA)
    other = signed_in(idle_cloud, (await sign_in(idle_cloud, ADA)).json()["token"])
    new = "another long password"
    wrong = await ada.put("/auth/password", json={"current_password": "a guess", "new_password": new})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "wrong_password")
    for weak, code in (("too short", 422), (ADA.upper(), 400)):
        answer = await ada.put("/auth/password", json={"current_password": PASSWORD, "new_password": weak})
        assert answer.status_code == code
        assert (weak not in answer.text, "password" in answer.json()["message"]) == (True, True)
    changed = await ada.put("/auth/password", json={"current_password": PASSWORD, "new_password": new})
    assert changed.status_code == 204
    assert (await status(ada), await status(other)) == (200, 401)
    assert (await sign_in(idle_cloud, ADA)).status_code == 401
    assert (await sign_in(idle_cloud, ADA, new)).status_code == 200


async def test_sessions_are_ended_one_by_one_and_by_their_user_only(idle_cloud: TestCloud) -> None:
    ada = await member(idle_cloud, ADA)
    lost = signed_in(idle_cloud, (await sign_in(idle_cloud, ADA)).json()["token"])
    bob = await member(idle_cloud, "bob@example.com")
    (found,) = [each for each in (await ada.get("/auth/sessions")).json()["sessions"] if not each["current"]]
    for wrong in (f"/auth/sessions/{found['id']}", "/auth/sessions/nothing"):
        assert (await bob.delete(wrong)).status_code == 404
    assert await status(lost) == 200
    assert (await ada.delete(f"/auth/sessions/{found['id']}")).status_code == 204
    assert (await status(lost), await status(ada)) == (401, 200)


async def test_a_session_ends_when_it_is_not_used_and_after_thirty_days(database: str, tmp_path: Path) -> None:
    async with timed_cloud(database, tmp_path, session_idle_hours=5 * 24) as timed:
        await sessions_end(timed)


async def sessions_end(timed: TestCloud) -> None:
    clock: SetClock = timed.app.state.clock
    ada = await member(timed, ADA)
    begun = clock.at

    async def used() -> bool:
        return bool(await timed.one("select seen_at = %s from sessions", clock.at))

    for _ in range(6):
        clock.at += timedelta(days=4.99)
        assert await status(ada, "/auth/me") == 200
        await eventually(used)
    clock.at = begun + timedelta(days=30)
    assert await status(ada, "/auth/me") == 401
    bob = await member(timed, "bob@example.com")
    clock.at += timedelta(days=5)
    assert await status(bob) == 401
    await forget_ended(timed.parts.pool, clock, timed.settings.session_idle)
    assert await timed.one("select count(*) from sessions") == 0


async def test_an_invitation_is_good_for_a_week(timed: TestCloud) -> None:
    clock: SetClock = timed.app.state.clock
    invited = (await timed.customer.post("/account/members", json={"email": ADA})).json()
    clock.at += timedelta(days=7)
    late = await api_client(timed.app, None).post(
        "/auth/invitations/accept", json={"token": invited["invitation_token"], "password": PASSWORD}
    )
    assert (late.status_code, late.json()["error"]) == (400, "invalid_token")
    await forget_ended(timed.parts.pool, clock, timed.settings.session_idle)
    assert await timed.one("select count(*) from one_time_tokens") == 0
    removed = await timed.customer.delete(f"/account/members/{invited['id']}")
    assert removed.status_code == 204
    await accepted(
        timed, (await timed.customer.post("/account/members", json={"email": ADA})).json()["invitation_token"]
    )


async def test_a_browser_has_the_session_in_a_cookie_that_scripts_cannot_read(idle_cloud: TestCloud) -> None:
    await member(idle_cloud, ADA, "admin")
    page = browser(idle_cloud)
    answer = await page.post("/auth/sign-in", json={"email": ADA, "password": PASSWORD, "cookie": True})
    assert (answer.status_code, answer.json()["token"]) == (200, None)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("bluelobster_session=bls_")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/api", "Max-Age=2592000"} <= set(cookie.split("; "))
    assert (await page.post("/keys", json={})).status_code == 201
    assert (await page.post("/auth/sign-out")).status_code == 204
    assert not page.cookies
    assert await status(page) == 401


async def test_another_site_cannot_use_the_cookie(idle_cloud: TestCloud) -> None:
    await member(idle_cloud, ADA, "admin")
    page = browser(idle_cloud)
    wanted = {"email": ADA, "password": PASSWORD, "cookie": True}
    await page.post("/auth/sign-in", json=wanted)
    del page.headers["Sec-Fetch-Site"]
    for foreign in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://api"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ):
        for method, path in (("POST", "/keys"), ("POST", "/auth/sign-out"), ("DELETE", "/auth/sessions/x")):
            refused = await page.request(method, path, headers=foreign, json={})
            assert (refused.status_code, refused.json()["error"]) == (403, "forbidden"), (foreign, path)
        assert (await page.post("/auth/sign-in", headers=foreign, json=wanted)).status_code == 403
        assert (await page.get("/instances", headers=foreign)).status_code == 200
    assert (await page.post("/keys", json={}, headers={"Origin": "https://api"})).status_code == 201


async def test_on_this_machine_the_cookie_works_without_tls(idle_cloud: TestCloud) -> None:
    await member(idle_cloud, ADA)
    local = browser(idle_cloud, "http://127.0.0.1:8080")
    local._transport = httpx.ASGITransport(app=idle_cloud.app, client=("127.0.0.1", 40000))
    wanted = {"email": ADA, "password": PASSWORD, "cookie": True}
    assert "Secure" not in (await local.post("/auth/sign-in", json=wanted)).headers["Set-Cookie"]
    remote = browser(idle_cloud, "http://api")
    assert "Secure" in (await remote.post("/auth/sign-in", json=wanted)).headers["Set-Cookie"]


async def test_keys_do_nothing_of_people(idle_cloud: TestCloud) -> None:
    for method, path in (("GET", "/auth/me"), ("PUT", "/auth/password"), ("POST", "/auth/sign-out")):
        refused = await idle_cloud.customer.request(method, path, json={})
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    for wrong in ("bls_nothing", f"bls_{'a' * 40}", idle_cloud.key, "blt_" + "a" * 40):
        for path in ("/auth/me", "/instances"):
            assert await status(signed_in(idle_cloud, wrong), path) == 401


async def test_who_guesses_has_to_wait(database: str, tmp_path: Path) -> None:
    async with running_cloud(database, tmp_path, worker=False, sign_in_burst=2, sign_in_per_minute=1) as cloud:
        answers = [await sign_in(cloud, email, "a guess") for email in (ADA, "Ada@Example.com", ADA)]
        assert [each.status_code for each in answers] == [401, 401, 429]
        assert (answers[2].json()["error"], answers[2].headers["Retry-After"]) == ("rate_limit_exceeded", "60")
        others = [(await sign_in(cloud, f"u{number}@example.com")).status_code for number in range(8)]
        assert others == [401] * 7 + [429]
        elsewhere = api_client(cloud.app, None)
        elsewhere._transport = httpx.ASGITransport(app=cloud.app, client=("203.0.113.9", 40000))
        wanted = {"email": "u9@example.com", "password": "a guess"}
        assert (await elsewhere.post("/auth/sign-in", json=wanted)).status_code == 401


async def test_a_hash_is_made_anew_when_it_became_too_cheap(database: str, tmp_path: Path) -> None:
    async with running_cloud(database, tmp_path / "before", worker=False) as before:
        await member(before, ADA)
        old = await before.one("select password_hash from users")
        before.app.state.passwords = type(before.parts.passwords)(128, 2)
        assert (await sign_in(before, ADA)).status_code == 200
        new = await before.one("select password_hash from users")
        assert ("m=64,t=1" in old, "m=128,t=2" in new) == (True, True)
        assert (await sign_in(before, ADA)).status_code == 200
        assert await before.one("select password_hash from users") == new


async def test_a_token_that_two_use_at_once_is_good_for_one(idle_cloud: TestCloud) -> None:
    invited = (await idle_cloud.customer.post("/account/members", json={"email": ADA})).json()
    wanted = {"token": invited["invitation_token"], "password": PASSWORD}
    nobody = api_client(idle_cloud.app, None)
    answers = await asyncio.gather(*(nobody.post("/auth/invitations/accept", json=wanted) for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [200, 400, 400, 400]


async def test_a_stream_ends_with_its_session(database: str, tmp_path: Path) -> None:
    async with running_cloud(database, tmp_path, worker=False, event_check_seconds=0.05) as cloud:
        ada = await member(cloud, ADA)
        reading = asyncio.create_task(ada.get("/events"))
        await eventually(lambda: watched(cloud))
        await ada.post("/auth/sign-out")
        async with asyncio.timeout(10):
            assert (await reading).status_code == 200


async def watched(cloud: TestCloud) -> bool:
    return bool(cloud.app.state.feed.watches)
