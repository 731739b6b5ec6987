"""People who sign in, for tests."""

from typing import Any

import httpx

from cloud import TestCloud, api_client

PASSWORD = "correct horse battery"


async def member(cloud: TestCloud, email: str, role: str = "member", password: str = PASSWORD) -> httpx.AsyncClient:
    """Somebody whom the customer's account invited, and who is signed in."""
    answer = await cloud.customer.post("/account/members", json={"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return await accepted(cloud, answer.json()["invitation_token"], password)


async def accepted(cloud: TestCloud, token: str, password: str = PASSWORD) -> httpx.AsyncClient:
    """Whoever took an invitation, signed in."""
    answer = await api_client(cloud.app, None).post(
        "/auth/invitations/accept", json={"token": token, "password": password}
    )
    assert answer.status_code == 200, answer.text
    return signed_in(cloud, answer.json()["token"])


def signed_in(cloud: TestCloud, token: str) -> httpx.AsyncClient:
    client = api_client(cloud.app, None)
    client.headers["Authorization"] = f"Bearer {token}"
    return client


async def sign_in(cloud: TestCloud, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    wanted = {"email": email, "password": password, **more}
    return await api_client(cloud.app, None).post("/auth/sign-in", json=wanted)


async def status(client: httpx.AsyncClient, path: str = "/instances", **headers: str) -> int:
    return (await client.get(path, headers=headers)).status_code
