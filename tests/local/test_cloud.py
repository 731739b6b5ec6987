"""What `up` says of where it is."""

import os
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from bluelobster.local import owner
from bluelobster.local.cloud import working_parts
from bluelobster.local.errors import CloudError
from bluelobster.local.owner import must_be_ours
from bluelobster.local.ports import url_here


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("cloud.example", "http://cloud.example:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104
        ("::1", "http://[::1]:8080"),
        ("::", "http://[::1]:8080"),
    ],
)
def test_the_api_is_found_where_it_listens(host: str, url: str) -> None:
    assert url_here(host, 8080) == url


@pytest.mark.parametrize(
    ("proxmox", "redis", "usable"),
    [
        ("operational", "disabled", True),
        ("operational", "degraded", True),
        ("degraded", "disabled", True),
        ("unavailable", "disabled", False),
    ],
)
async def test_other_hosts_and_redis_may_be_away(proxmox: str, redis: str, usable: bool) -> None:
    parts = {"api": "operational", "redis": redis, "postgresql": "operational", "proxmox": proxmox}
    answers = httpx.MockTransport(lambda _: httpx.Response(200, json={"components": parts}))
    async with httpx.AsyncClient(transport=answers) as http:
        assert await working_parts(http, "http://api") == (parts if usable else {})


async def test_an_api_that_is_not_there_yet() -> None:
    unhealthy = httpx.MockTransport(lambda _: httpx.Response(503, json={"status": "unhealthy"}))
    async with httpx.AsyncClient(transport=unhealthy) as http:
        assert await working_parts(http, "http://api") == {}


def test_somebody_else_s_data_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = tmp_path / "operator.json"
    must_be_ours(written)
    written.touch()
    must_be_ours(written)
    monkeypatch.setattr(owner, "os", SimpleNamespace(geteuid=lambda: os.geteuid() + 1))
    with pytest.raises(CloudError, match=f"{tmp_path} is {written.owner()}'s, who started it before"):
        must_be_ours(written)
