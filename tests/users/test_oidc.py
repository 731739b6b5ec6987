"""Signing in through an identity provider, and everything that does not prove who somebody is."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey
from pydantic import ValidationError

from bluelobster.clock import SystemClock
from bluelobster.settings import Settings
from cloud import TestCloud, api_client, running_cloud
from people import member, sign_in, signed_in, status
from set_clock import SetClock
from users.issuer import CLIENT_ID, CLIENT_SECRET, Issuer, running_issuer

ADA = "ada@example.com"


@dataclass
class Place:
    """A cloud that believes an identity provider."""

    cloud: TestCloud
    issuer: Issuer

    async def invite(self, email: str = ADA, role: str = "admin") -> None:
        answer = await self.cloud.customer.post("/account/members", json={"email": email, "role": role})
        assert answer.status_code == 201

    async def come_back(self, page: httpx.AsyncClient | None = None, **changes: str) -> httpx.Response:
        """The answer to a browser that went to the provider and came back."""
        page = page or self.browser()
        begun = await page.get("/auth/oidc/start")
        assert begun.status_code == 303, begun.text
        back = self.issuer.sign_in(begun.headers["Location"])
        return await page.get("/auth/oidc/callback", params={**back, **changes})

    def browser(self) -> httpx.AsyncClient:
        page = api_client(self.cloud.app, None)
        page.base_url = httpx.URL("https://api/api/v1")
        page.headers["Sec-Fetch-Site"] = "same-origin"
        return page


@pytest.fixture
async def place(database: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with running_issuer() as issuer:
        known: dict[str, Any] = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT_ID}
        async with running_cloud(
            database, tmp_path, worker=False, **known, oidc_client_secret=CLIENT_SECRET, signed_in_url="/console/"
        ) as cloud:
            yield Place(cloud, issuer)


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert "bluelobster_session" not in answer.headers.get("Set-Cookie", "")
    return answer.status_code, answer.json()["error"]


async def test_whoever_was_invited_comes_in(place: Place) -> None:
    await place.invite()
    page = place.browser()
    answer = await place.come_back(page)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/")
    assert {"HttpOnly", "Secure", "SameSite=strict"} <= set(answer.headers.get_list("Set-Cookie")[0].split("; "))
    me = (await page.get("/auth/me")).json()
    assert (me["email"], me["has_password"]) == (ADA, False)
    assert [(each["name"], each["role"]) for each in me["accounts"]] == [("customer", "admin")]
    assert (await page.post("/keys", json={})).status_code == 201
    kept = await place.cloud.one("select count(*) from oidc_attempts")
    assert kept == 0
    place.issuer.claims = {"email": "changed@example.com", "email_verified": False}
    again = place.browser()
    assert (await place.come_back(again)).status_code == 303
    assert (await again.get("/auth/me")).json()["id"] == me["id"]
    assert place.issuer.asked["discovery"] == place.issuer.asked["keys"] == 1


async def test_whom_nobody_invited_stays_out(place: Place) -> None:
    assert refused(await place.come_back()) == (403, "forbidden")
    assert await place.cloud.one("select count(*) from users") == 0


async def test_an_address_that_is_not_verified_proves_nothing(place: Place) -> None:
    await place.invite()
    for claims in (
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
        {"email": None},
        {"email": "ada@example.com\x00"},
    ):
        place.issuer.claims = claims
        assert refused(await place.come_back()) == (403, "forbidden"), claims
    assert await place.cloud.one("select count(*) from user_identities") == 0


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"iss": "https://another.example.com"},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\x00b"},
    ],
)
async def test_a_token_that_is_not_for_us_is_not_believed(place: Place, claims: dict[str, Any]) -> None:
    await place.invite()
    place.issuer.claims = claims
    assert refused(await place.come_back()) == (401, "identity_not_proven")


async def test_a_token_for_us_among_others_is_believed(place: Place) -> None:
    await place.invite()
    place.issuer.claims = {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}
    assert (await place.come_back()).status_code == 303


async def test_keys_change(place: Place) -> None:
    await place.invite()
    assert (await place.come_back()).status_code == 303
    place.issuer.key = ECKey.generate_key("P-256", {"kid": "second"})
    place.issuer.published.append(place.issuer.key)
    assert (await place.come_back()).status_code == 303
    assert place.issuer.asked["keys"] == 2


async def test_what_another_key_signed_is_not_believed(place: Place) -> None:
    await place.invite()
    for kid in ("first", "unknown"):
        place.issuer.key = RSAKey.generate_key(2048, {"kid": kid})
        assert refused(await place.come_back()) == (401, "identity_not_proven")


async def test_nobody_comes_back_twice_or_by_the_way_of_another(place: Place) -> None:
    await place.invite()
    page = place.browser()
    begun = await page.get("/auth/oidc/start")
    back = place.issuer.sign_in(begun.headers["Location"])
    cookie = begun.headers["Set-Cookie"]
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/api/v1/auth/oidc/callback"} <= set(cookie.split("; "))
    other = place.browser()
    await other.get("/auth/oidc/start")
    assert refused(await other.get("/auth/oidc/callback", params=back)) == (400, "invalid_state")
    stranger = place.browser()
    assert refused(await stranger.get("/auth/oidc/callback", params=back)) == (400, "invalid_state")
    secret = page.cookies["bluelobster_oidc"]
    assert (await page.get("/auth/oidc/callback", params=back)).status_code == 303
    replay = {"Cookie": f"bluelobster_oidc={secret}"}
    assert refused(await stranger.get("/auth/oidc/callback", params=back, headers=replay)) == (400, "invalid_state")


async def test_a_way_that_takes_too_long_leads_nowhere(place: Place) -> None:
    await place.invite()
    clock = place.cloud.app.state.clock = SetClock(SystemClock().now())
    page = place.browser()
    back = place.issuer.sign_in((await page.get("/auth/oidc/start")).headers["Location"])
    clock.at += timedelta(minutes=10)
    assert refused(await page.get("/auth/oidc/callback", params=back)) == (400, "invalid_state")


async def test_the_provider_refuses(place: Place) -> None:
    await place.invite()
    assert refused(await place.come_back(error="access_denied")) == (401, "identity_not_proven")
    assert refused(await place.come_back(code="made-up")) == (401, "identity_not_proven")
    assert refused(await place.come_back(code="")) == (400, "invalid_request")


async def test_the_provider_is_down(place: Place) -> None:
    place.issuer.down = True
    assert refused(await place.browser().get("/auth/oidc/start")) == (503, "identity_provider_unavailable")
    place.issuer.down = False
    await place.invite()
    page = place.browser()
    back = place.issuer.sign_in((await page.get("/auth/oidc/start")).headers["Location"])
    place.issuer.down = True
    assert refused(await page.get("/auth/oidc/callback", params=back)) == (503, "identity_provider_unavailable")


async def test_a_provider_that_says_it_is_another_or_asks_for_secrets_in_clear(place: Place) -> None:
    for metadata in (
        {"issuer": "https://another.example.com"},
        {"authorization_endpoint": "http://id.example.com/authorize"},
        {"authorization_endpoint": None},
    ):
        place.issuer.metadata = metadata
        place.cloud.app.state.provider._kept.clear()
        assert refused(await place.browser().get("/auth/oidc/start")) == (503, "identity_provider_unavailable")


async def test_a_provider_that_wants_the_secret_in_the_form(place: Place) -> None:
    await place.invite()
    place.issuer.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await place.come_back()).status_code == 303


async def test_whoever_only_said_that_an_address_is_theirs_loses_it_to_its_owner(place: Place) -> None:
    squatter = await member(place.cloud, ADA)
    page = place.browser()
    assert (await place.come_back(page)).status_code == 303
    assert await status(squatter) == 401
    assert (await sign_in(place.cloud, ADA)).status_code == 401
    assert await status(page) == 200


async def test_one_address_does_not_become_somebody_else_s(place: Place) -> None:
    await place.invite()
    assert (await place.come_back()).status_code == 303
    place.issuer.claims = {"sub": "ada-0002"}
    assert refused(await place.come_back()) == (403, "forbidden")


async def test_a_disabled_user_stays_out(place: Place) -> None:
    await place.invite()
    await place.come_back()
    (user,) = (await place.cloud.staff.get("/admin/users")).json()["users"]
    await place.cloud.staff.patch(f"/admin/users/{user['id']}", json={"disabled": True})
    assert refused(await place.come_back()) == (403, "forbidden")


async def test_without_a_provider_there_is_no_way_to_one(idle_cloud: TestCloud) -> None:
    nobody = api_client(idle_cloud.app, None)
    for path in ("/auth/oidc/start", "/auth/oidc/callback"):
        assert refused(await nobody.get(path)) == (404, "no_identity_provider")
    assert await status(signed_in(idle_cloud, "bls_none")) == 401


def test_a_provider_is_set_up_as_a_whole_or_not_at_all() -> None:
    whole = {"oidc_issuer": "https://id.example.com", "oidc_client_id": "us", "oidc_client_secret": "secret"}
    assert Settings.model_validate({"database_url": "unused", **whole}).oidc is not None
    for missing in whole:
        half = {name: value for name, value in whole.items() if name != missing}
        with pytest.raises(ValidationError, match="all together, or none of them"):
            Settings.model_validate({"database_url": "unused", **half})
    with pytest.raises(ValidationError, match="must begin with https://"):
        Settings.model_validate({"database_url": "unused", **whole, "oidc_issuer": "http://id.example.com"})
