"""The client against the contract's own examples."""

from datetime import UTC, datetime

import pytest

from bluelobster_client import (
    ApiError,
    Client,
    Conflict,
    FieldProblem,
    Forbidden,
    InvalidRequest,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)
from client import answers
from client.answers import HELLO, TASK, example
from client.fake_api import FakeApi, Reply

INSTANCE = "/api/v1/instances/{instance_id}"


def test_reads_the_contracts_instance(api: FakeApi, client: Client) -> None:
    api.give("/instances/vm-abc123", example("get", INSTANCE))
    found = client.instance("vm-abc123")
    assert (found.uuid, found.name, found.host_id, found.region) == ("vm-abc123", "ml-training-1", "px1", "us-east-dev")
    assert (found.cpu_cores, found.memory, found.storage, found.gpu_count) == (8, 32, 100, 1)
    assert found.created_at == datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    assert found.metadata["owner"] == "john.doe"
    assert (found.ssh_port, found.status, found.vm_username) == (22, None, None)
    assert api.seen[0].headers["x-api-key"] == "bl_key"


def test_reads_the_contracts_lists(api: FakeApi, client: Client) -> None:
    api.give("/instances", example("get", "/api/v1/instances"))
    api.give("/instances/available", example("get", "/api/v1/instances/available"))
    api.give("/tasks", example("get", "/api/v1/tasks"))
    assert [found.power_status for found in client.instances()] == ["running"]
    medium, gpu = client.types()
    assert (medium.name, medium.price_cents_per_hour, medium.vcpus, medium.memory_gib) == ("v1_cpu_medium", 6, 4, 16)
    assert (gpu.gpus, gpu.gpu_model, [region.name for region in gpu.regions]) == (1, "A4000", ["us-east-dev"])
    (task,) = client.tasks(limit=5, days=2, status="completed")
    assert (task.task_id, task.status, task.ended, task.instance_id) == ("task_abc123", "COMPLETED", True, None)
    assert api.seen[-1].query == {"limit": "5", "days": "2", "status": "completed"}


def test_reads_templates_health_stats_and_a_task(api: FakeApi, client: Client) -> None:
    api.give("/instances/templates", {"templates": [answers.template("WIN10", "bluelobster", "windows")], "total": 1})
    api.give("/health", example("get", "/api/v1/health"))
    api.give("/tasks/task_abc123", example("get", "/api/v1/tasks/{task_id}"))
    api.give(f"/instances/{HELLO}/stats", example("get", INSTANCE + "/stats"))
    assert [(found.name, found.is_windows) for found in client.templates()] == [("WIN10", True)]
    assert client.health().components["postgresql"] == "operational"
    task = client.task("task_abc123")
    assert (task.status, task.instance_id, task.progress, task.ended) == ("PROCESSING", "vm-xyz789", None, False)
    stats = client.stats(HELLO)
    assert (stats.cpu_percent, stats.memory_used, stats.network_out_rate) == (25.5, 8589934592, 51200)


def test_an_unhealthy_api_is_an_answer(api: FakeApi, client: Client) -> None:
    api.on("GET", "/health", Reply(503, {"status": "unhealthy", "components": {"postgresql": "unavailable"}}))
    assert client.health().status == "unhealthy"


def test_launch_sends_only_what_is_given(api: FakeApi, client: Client) -> None:
    path = "/api/v1/instances/launch-instance"
    api.on("POST", "/instances/launch-instance", Reply(body=example("post", path)))
    launch = client.launch(region="us-east-1", instance_type="v1_cpu_small", username="ada", metadata={"a": "b"})
    assert (launch.instance_id, launch.task_id, launch.assigned_ip) == ("vm-abc123", "task_xyz789", "111.111.111.111")
    assert launch.credentials is None
    assert api.seen[0].body == {
        "region": "us-east-1",
        "instance_type": "v1_cpu_small",
        "username": "ada",
        "metadata": {"a": "b"},
    }


def test_launch_reads_the_flat_answer_and_its_credentials(api: FakeApi, client: Client) -> None:
    login = {"username": "admin", "password": "K8mP2nX9", "note": "shown once"}
    api.on("POST", "/instances/launch-instance", Reply(body={"task_id": TASK, "vm_uuid": HELLO, "credentials": login}))
    launch = client.launch(region="r", instance_type="t", username="admin")
    assert launch.instance_id == HELLO
    assert launch.credentials is not None
    assert launch.credentials.password == "K8mP2nX9"
    assert "K8mP2nX9" not in repr(launch)


@pytest.mark.parametrize(
    ("method", "operation", "done"),
    [
        ("reboot", "reboot", True),
        ("shutdown", "shutdown", False),
        ("force_shutdown", "force-shutdown", False),
        ("power_on", "power-on", False),
        ("power_cycle", "power-cycle", False),
    ],
)
def test_power_operations(api: FakeApi, client: Client, method: str, operation: str, done: bool) -> None:
    answer = example("post", f"{INSTANCE}/{operation}")
    api.on("POST", f"/instances/{HELLO}/{operation}", Reply(body=answer))
    result = getattr(client, method)(HELLO)
    assert (result.done, result.message, result.task_id) == (done, answer["message"], answer.get("task_id"))


def test_a_slow_deletion_is_not_done(api: FakeApi, client: Client) -> None:
    done = Reply(body={**example("delete", INSTANCE), "task_id": TASK})
    api.on("DELETE", f"/instances/{HELLO}", Reply(body=answers.accepted("PENDING")), done)
    assert not client.delete(HELLO).done
    assert client.delete(HELLO).done


def test_rename(api: FakeApi, client: Client) -> None:
    api.on("PUT", f"/instances/{HELLO}/rename", Reply(body=example("put", INSTANCE + "/rename")))
    assert client.rename(HELLO, "my-production-server") == "my-production-server"
    assert api.seen[0].body == {"name": "my-production-server"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (422, InvalidRequest),
        (429, TooManyRequests),
        (500, ServerFault),
        (503, ServerFault),
        (418, ApiError),
    ],
)
def test_each_status_has_its_error(api: FakeApi, client: Client, status: int, kind: type[ApiError]) -> None:
    body = {
        "error": "some_code",
        "message": "Some sentence",
        "details": {"a": 1},
        "request_id": "req_1",
        "task_id": "t1",
    }
    api.on("POST", f"/instances/{HELLO}/reboot", Reply(status, body, {"Retry-After": "7"}))
    with pytest.raises(ApiError) as caught:
        client.reboot(HELLO)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, str(error)) == (status, "some_code", "Some sentence")
    assert (error.details, error.request_id, error.task_id, error.retry_after) == ({"a": 1}, "req_1", "t1", 7)


def test_refused_fields_are_named(api: FakeApi, client: Client) -> None:
    detail = [{"loc": ["body", "username"], "msg": "too long", "type": "x"}, "nonsense", {"loc": 1}]
    errors = [{"field": "region", "message": "unknown"}]
    ours = {"error": "validation_error", "message": "m", "detail": detail, "errors": errors}
    api.on("PUT", f"/instances/{HELLO}/rename", Reply(422, ours), Reply(422, {"detail": detail}))
    problems = []
    for _ in range(2):
        with pytest.raises(InvalidRequest) as caught:
            client.rename(HELLO, "x")
        problems.append(caught.value.fields)
    assert problems == [(FieldProblem("region", "unknown"),), (FieldProblem("username", "too long"),)]


def test_an_error_without_our_shape_still_has_a_message(api: FakeApi, client: Client) -> None:
    api.on("GET", "/tasks/x", Reply(502, b"<html>Bad gateway</html>"))
    with pytest.raises(ServerFault, match="status 502") as caught:
        client.task("x")
    assert caught.value.code == "http_502"


@pytest.mark.parametrize("body", [b"<html>", {"uuid": HELLO}, {"uuid": 5}, [], "text"])
def test_a_senseless_answer_is_said_to_be_one(api: FakeApi, client: Client, body: object) -> None:
    api.give(f"/instances/{HELLO}", body)
    with pytest.raises(UnexpectedAnswer):
        client.instance(HELLO)


def test_a_redirect_is_not_followed(api: FakeApi, client: Client) -> None:
    api.on("GET", "/instances", Reply(302, None, {"Location": "http://127.0.0.1:9/"}))
    with pytest.raises(UnexpectedAnswer, match="redirects"):
        client.instances()


def test_further_and_wrongly_typed_optional_fields_do_no_harm(api: FakeApi, client: Client) -> None:
    odd = answers.instance(
        region=5, gpu_count=None, created_at="yesterday", metadata=["x"], ssh_port="22", new={"a": 1}
    )
    api.give(f"/instances/{HELLO}", odd)
    found = client.instance(HELLO)
    assert (found.region, found.gpu_count, found.created_at, dict(found.metadata), found.ssh_port) == (
        None,
        0,
        None,
        {},
        22,
    )
    assert found.raw["new"] == {"a": 1}


def test_an_id_cannot_change_the_path(api: FakeApi, client: Client) -> None:
    with pytest.raises(ValueError, match="not an id"):
        client.delete("..")
    with pytest.raises(NotFound):
        client.instance("a/b?c")
    assert api.seen[-1].path == "/api/v1/instances/a%2Fb%3Fc"
