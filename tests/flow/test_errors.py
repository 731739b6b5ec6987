"""Every error has one shape, says what is wrong, and repeats nothing that was sent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bluelobster.http.patterns import in_words
from cloud import LAUNCH, TestCloud


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/instances/", 404, "not_found"),
        ("PATCH", "/instances", 405, "method_not_allowed"),
        ("GET", "/instances/not-an-id", 404, "instance_not_found"),
        ("GET", "/tasks/not-an-id", 404, "task_not_found"),
        ("GET", "/tasks?limit=0", 422, "validation_error"),
        ("GET", "/tasks?limit=101", 422, "validation_error"),
        ("GET", "/tasks?limit=many", 422, "validation_error"),
        ("GET", "/tasks?days=8", 422, "validation_error"),
        ("GET", "/tasks?status=lost", 422, "validation_error"),
    ],
)
async def test_the_shape(idle_cloud: TestCloud, method: str, path: str, status: int, code: str) -> None:
    answer = await idle_cloud.customer.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"] == code
    assert answer.json()["message"]
    assert answer.headers["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b"null", b"{}", b'{"name": NaN}', b"\xff\xfe", b"[" * 100_000]
)
@pytest.mark.parametrize("path", ["/instances/launch-instance", "/instances/{id}/rename"])
async def test_bodies_that_are_not_what_they_should_be(idle_cloud: TestCloud, path: str, body: bytes) -> None:
    accepted = await idle_cloud.launch()
    method = "PUT" if path.endswith("rename") else "POST"
    answer = await idle_cloud.customer.request(method, path.format(id=accepted["vm_uuid"]), content=body)
    assert answer.status_code in {400, 422}, answer.text
    assert {"error", "message"} <= answer.json().keys()


async def test_a_password_is_never_repeated(idle_cloud: TestCloud) -> None:
    for password in ("hunter2 hunter2", "x\x00secret-secret", ["secret-secret"]):
        body: dict[str, Any] = {**LAUNCH, "password": password}
        answer = await idle_cloud.customer.post("/instances/launch-instance", json=body)
        assert answer.status_code == 422
        assert "secret" not in answer.text
        assert "hunter2" not in answer.text


@pytest.mark.own_database
async def test_a_crash_is_answered_with_a_request_id(idle_cloud: TestCloud) -> None:
    async with idle_cloud.parts.pool.connection() as connection:
        await connection.execute("alter table tasks rename to elsewhere")
    answer = await idle_cloud.customer.get("/tasks")
    assert answer.status_code == 500
    assert answer.json()["error"] == "internal_error"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["X-Request-Id"].startswith("req_")
    assert "RateLimit-Remaining" in answer.headers
    assert "elsewhere" not in answer.text


async def test_the_task_list_filters(idle_cloud: TestCloud) -> None:
    await idle_cloud.launch(name="one")
    await idle_cloud.launch(name="two")
    listed = (await idle_cloud.customer.get("/tasks?status=pending&limit=1&days=7")).json()
    assert (listed["total"], listed["limit"], listed["days"]) == (1, 1, 7)
    [task] = listed["tasks"]
    assert task["auth_token_partial"] == idle_cloud.key.split("_")[1]
    assert task["client_ip"] == "198.51.100.7"
    assert (await idle_cloud.customer.get("/tasks?status=FAILED")).json()["tasks"] == []


async def test_a_body_that_is_too_large_is_not_read(idle_cloud: TestCloud) -> None:
    body = b'{"name": "' + b"x" * (1 << 20) + b'"}'
    answer = await idle_cloud.customer.post("/instances/launch-instance", content=body)
    assert (answer.status_code, answer.json()["error"]) == (413, "request_too_large")

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield body

    answer = await idle_cloud.customer.post("/instances/launch-instance", content=unannounced())
    assert (answer.status_code, answer.json()["error"]) == (413, "request_too_large")
    named = {"Idempotency-Key": "too-large"}
    answer = await idle_cloud.customer.post("/instances/launch-instance", content=unannounced(), headers=named)
    assert answer.status_code == 413
    assert "1048576" in answer.json()["message"]
    answer = await idle_cloud.customer.put("/instances/x/rename", content=unannounced())
    assert answer.status_code == 413


async def test_head_is_get_without_a_body(idle_cloud: TestCloud) -> None:
    for path in ("/health", "/instances", "/instances/not-an-id", "/tasks?limit=0"):
        head, got = await idle_cloud.customer.head(path), await idle_cloud.customer.get(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        assert head.headers["Content-Length"] == str(len(got.content))
    assert (await idle_cloud.customer.head("/instances/launch-custom/nothing/at-all")).status_code == 404
    async with asyncio.timeout(5):
        assert (await idle_cloud.customer.head("/events")).headers["Content-Type"].startswith("text/event-stream")


async def test_a_wrong_method_is_told_the_right_ones(idle_cloud: TestCloud) -> None:
    answer = await idle_cloud.customer.patch("/instances/not-an-id")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD")
    assert (await idle_cloud.customer.patch("/instances")).headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("username", "1abc", "Must begin with a letter"),
        ("name", "-web", "Must have only letters, digits and hyphens"),
        ("template_name", "lower", "Must have only capital letters"),
        ("password", "with space", "Must not contain spaces, quotes"),
        ("ssh_key", "ssh-rsa AAAA...", "Must be the line of a .pub file"),
    ],
)
async def test_a_broken_pattern_is_said_in_words(idle_cloud: TestCloud, field: str, value: str, words: str) -> None:
    answer = await idle_cloud.customer.post("/instances/launch-instance", json={**LAUNCH, field: value})
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert error["message"].startswith(words)


def patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from patterns(each)


async def test_every_pattern_has_words(idle_cloud: TestCloud) -> None:
    found = set(patterns(idle_cloud.app.openapi()))
    assert len(found) > 4
    assert {each for each in found if not in_words(each)} == set()


async def test_control_characters_are_found_where_they_are(idle_cloud: TestCloud) -> None:
    body = {**LAUNCH, "name": "a\x00", "metadata": {"note": "\x1b[2J"}, "unknown\x01": "\x02"}
    answer = await idle_cloud.customer.post("/instances/launch-instance", json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["name", "metadata.note"]
    assert answer.json()["errors"][0]["message"] == "Must not contain control characters"
    answer = await idle_cloud.customer.put("/instances/x/rename", json={"name": "a\x00"})
    assert [each["field"] for each in answer.json()["errors"]] == ["name"]
    answer = await idle_cloud.customer.delete("/teams/a/keys/%00")
    assert answer.status_code == 404


@pytest.mark.parametrize("moment", [5, "0.5", "2026-11-23", "2026-11-23T10:00:00", "0001-01-01T00:00:00+14:00", "soon"])
async def test_a_time_is_written_out_with_its_zone(idle_cloud: TestCloud, moment: object) -> None:
    body = {"start_time": moment, "end_time": "2026-11-23T10:00:00Z"}
    answer = await idle_cloud.customer.post("/instances/log", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "start_time", "message": "Must be a time with its zone, such as 2026-11-23T10:00:00Z"}
    ]


async def test_malformed_json_is_the_body_s_fault(idle_cloud: TestCloud) -> None:
    answer = await idle_cloud.customer.post("/instances/launch-instance", content=b'{"region": ')
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["body"]
    key = LAUNCH["ssh_key"] + "\rfoo"
    answer = await idle_cloud.customer.post("/instances/launch-instance", json={**LAUNCH, "ssh_key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "ssh_key"
    assert answer.json()["errors"][0]["message"].startswith("the key must be one line")
