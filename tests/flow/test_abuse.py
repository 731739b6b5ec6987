"""What somebody could try in order to get more than is theirs, or to keep others from it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bluelobster.http.text import DEEPEST, MOST_TOLD, RULE_OF_DEPTH, unclean
from cloud import LAUNCH, TestCloud, api_client, running_cloud
from people import PASSWORD, accepted

NETWORKS = ["198.51.100.0/24"]
BOB = "bob@example.com"


@pytest.mark.parametrize(
    "email",
    [
        "[" * 600 + ",".join(['"\\u0001"'] * 400) + "]" * 600,
        "[" + ",".join(['"\\u0001"'] * 800) + "]",
        '{"a":' * 600 + "1" + "}" * 600,
        "[" * 900 + ",".join(["1"] * 2000) + "]" * 900,
    ],
)
async def test_an_answer_is_not_many_times_what_was_sent(idle_cloud: TestCloud, email: str) -> None:
    body = f'{{"email":{email},"password":"x"}}'
    json.loads(body)
    nobody = api_client(idle_cloud.app, None)
    answer = await nobody.post("/auth/sign-in", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert len(answer.content) < 10_000


class Watched(list[Any]):
    """A list that knows how many of its elements were looked at."""

    seen = 0

    def __iter__(self) -> Iterator[Any]:
        for each in super().__iter__():
            self.seen += 1
            yield each


def test_no_more_of_a_body_is_looked_at_than_is_told() -> None:
    bad = Watched(["\x00"] * 1000)
    assert len(unclean({"a": bad})) == bad.seen == MOST_TOLD
    deep = bottom = Watched(["\x00"])
    for _ in range(DEEPEST):
        deep = Watched([deep])
    assert unclean(deep) == [((0,) * DEEPEST, RULE_OF_DEPTH)]
    assert bottom.seen == 0


async def test_who_has_no_key_says_little(idle_cloud: TestCloud) -> None:
    nobody = api_client(idle_cloud.app, None)
    answer = await nobody.post("/auth/sign-in", json={"email": "a@example.com", "password": "x" * 8192})
    assert (answer.status_code, answer.json()["message"]) == (413, "The body must have at most 8192 bytes")


async def test_a_limited_key_lets_nobody_in(idle_cloud: TestCloud) -> None:
    """Somebody whom it let in would have neither of its limits."""
    wanted = {"name": "ci", "role": "admin"}
    team = (await idle_cloud.customer.post("/teams", json={"name": "Research"})).json()["id"]
    member = (await idle_cloud.customer.post("/account/members", json={"email": BOB, "role": "viewer"})).json()["id"]
    for limit in ({"expires_in_days": 1}, {"allowed_networks": NETWORKS}):
        key = (await idle_cloud.customer.post("/keys", json={**wanted, **limit})).json()["api_key"]
        limited = api_client(idle_cloud.app, key)
        for answer in (
            await limited.post("/account/members", json={"email": "eve@example.com", "role": "admin"}),
            await limited.patch(f"/account/members/{member}", json={"role": "admin"}),
            await limited.post(f"/teams/{team}/members", json={"email": "eve@example.com", "role": "admin"}),
        ):
            assert answer.status_code == 403, answer.text
            assert "cannot decide about people" in answer.json()["message"]


async def test_more_tokens_are_not_more_guesses(database: str, tmp_path: Path) -> None:
    async with running_cloud(database, tmp_path, worker=False, sign_in_per_minute=0.01, sign_in_burst=4) as cloud:
        invited = await cloud.customer.post("/account/members", json={"email": BOB})
        await accepted(cloud, invited.json()["invitation_token"])
        seen = []
        for guess in ("one guess of many", "another guess", "a third guess", PASSWORD):
            answer = await cloud.stranger.post("/account/members", json={"email": BOB})
            token, member = answer.json()["invitation_token"], answer.json()["id"]
            body = {"token": token, "password": guess}
            seen.append((await api_client(cloud.app, None).post("/auth/invitations/accept", json=body)).status_code)
            await cloud.stranger.delete(f"/account/members/{member}")
        assert seen == [401, 401, 401, 429]


async def test_an_invitation_takes_nothing_that_was_meant_for_another_account(idle_cloud: TestCloud) -> None:
    """Whose address is verified is in an account as soon as they are invited."""
    team = (await idle_cloud.customer.post("/teams", json={"name": "Research"})).json()["id"]
    invited = await idle_cloud.customer.post(f"/teams/{team}/members", json={"email": BOB, "role": "admin"})
    bob = await accepted(idle_cloud, invited.json()["invitation_token"])
    assert (await bob.get("/instances")).status_code == 200
    await idle_cloud.execute("update users set verified_at = now()")
    pulled = await idle_cloud.stranger.post("/account/members", json={"email": BOB, "role": "owner"})
    assert pulled.json()["joined"]
    refused = await bob.post("/instances/launch-instance", json=LAUNCH)
    assert (refused.status_code, refused.json()["error"]) == (400, "place_needed")
    named = {"X-Account": "customer"}
    assert (await bob.post("/instances/launch-instance", json=LAUNCH, headers=named)).status_code == 200


async def test_a_request_of_another_team_is_another_request(idle_cloud: TestCloud) -> None:
    one, two = [(await idle_cloud.customer.post("/teams", json={"name": name})).json()["id"] for name in ("One", "Two")]
    tokens = [
        (await idle_cloud.customer.post(f"/teams/{team}/members", json={"email": BOB, "role": "admin"})).json()[
            "invitation_token"
        ]
        for team in (one, two)
    ]
    bob = await accepted(idle_cloud, tokens[0])
    await accepted(idle_cloud, tokens[1])
    named = {"X-Team": one, "Idempotency-Key": "same"}
    assert (await bob.post("/instances/launch-instance", json=LAUNCH, headers=named)).status_code == 200
    other = await bob.post("/instances/launch-instance", json=LAUNCH, headers={**named, "X-Team": two})
    assert (other.status_code, other.json()["error"]) == (409, "idempotency_key_reused")


async def test_a_key_that_is_rotated_counts_on(database: str, tmp_path: Path) -> None:
    few: dict[str, Any] = {"rate_per_second": 0.001, "rate_burst": 4}
    async with running_cloud(database, tmp_path, worker=False, **few) as cloud:
        key = (await cloud.customer.post("/keys", json={"name": "ci", "role": "admin"})).json()
        rotating = api_client(cloud.app, key["api_key"])
        seen = []
        for _ in range(5):
            answer = await rotating.post(f"/keys/{key['prefix']}/rotate", json={})
            seen.append(answer.status_code)
            rotating = api_client(cloud.app, answer.json().get("api_key", key["api_key"]))
        assert seen == [200, 200, 200, 200, 429]


@pytest.mark.parametrize("host", ["fe80::1%eth0", "unknown"])
async def test_an_odd_address_is_no_reason_to_fail(idle_cloud: TestCloud, host: str) -> None:
    from_there = api_client(idle_cloud.app, idle_cloud.key)
    from_there._transport.client = (host, 1)  # type: ignore[attr-defined]
    assert (await from_there.post("/teams", json={"name": "Research"})).status_code == 201
    assert (await from_there.post("/instances/launch-instance", json=LAUNCH)).status_code == 200
    addresses = "select array_agg(distinct host(client_ip)) from audit_log where operation = 'create_team'"
    assert await idle_cloud.one(addresses) == [host.partition("%")[0] if "%" in host else None]


async def test_a_key_of_a_megabyte(idle_cloud: TestCloud) -> None:
    answer = await idle_cloud.customer.post(
        "/ssh-keys", json={"name": "x", "public_key": LAUNCH["ssh_key"] + "x" * 8192}
    )
    assert answer.status_code == 422
    assert "at most 8192 characters" in answer.json()["message"]
