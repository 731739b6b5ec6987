"""`list`, `show`, `delete`, `rename` and the power operations."""

import json
import signal

import pytest

from client import answers
from client.answers import HELLO, OTHER, TASK
from client.fake_api import FakeApi, Reply
from client.shell import Shell

POWER = ["reboot", "shutdown", "force-shutdown", "power-on", "power-cycle"]


@pytest.fixture
def two(api: FakeApi) -> FakeApi:
    """A cloud with two machines."""
    other = answers.instance(OTHER, "training-1", gpu_count=2, gpu_model="RTX A4000", power_status="stopped")
    api.give("/instances", [answers.instance(), other])
    api.give(f"/instances/{HELLO}", answers.instance())
    api.give(f"/instances/{OTHER}", other)
    api.give(f"/tasks/{TASK}", answers.task("COMPLETED", "Done"))
    return api


def test_the_list_is_a_table(two: FakeApi, shell: Shell) -> None:
    result = shell.run("list")
    head, first, second = result.stdout.splitlines()
    assert head.split() == ["NAME", "ID", "TYPE", "REGION", "ADDRESS", "POWER", "AGE", "PRICE"]
    row = first.split()
    assert row[:6] == ["hello", "0d1e7a52", "v1_cpu_small", "us-east-1", "127.64.0.10", "running"]
    assert row[-1] == "$0.03/h"
    assert second.split()[5] == "stopped"


def test_what_comes_and_goes_is_shown_as_such(api: FakeApi, shell: Shell) -> None:
    creating = answers.instance(status="creating", power_status="unknown", ip_address=None)
    api.give("/instances", [creating, answers.instance(OTHER, "b", status="terminating")])
    lines = shell.run("list").stdout.splitlines()
    assert "creating" in lines[1]
    assert "terminating" in lines[2]


def test_an_empty_list_says_how_to_begin(api: FakeApi, shell: Shell) -> None:
    api.give("/instances", [])
    assert shell.run("list").stdout == "You have no instances. Make one with `bluelobster launch`.\n"


def test_a_long_list_is_not_cut_in_a_pipe(api: FakeApi, shell: Shell) -> None:
    api.give("/instances", [answers.instance(name="n" * 64, instance_type="t" * 64, region="r" * 64)])
    line = shell.run("list").stdout.splitlines()[1]
    assert line.split()[:4] == ["n" * 64, "0d1e7a52", "t" * 64, "r" * 64]


@pytest.mark.parametrize("word", ["hello", HELLO, HELLO.upper(), "0d1e7a52", "0d1e"])
def test_an_instance_is_meant_by_name_id_or_the_beginning_of_its_id(two: FakeApi, shell: Shell, word: str) -> None:
    two.give(f"/instances/{HELLO.upper()}", answers.instance())
    result = shell.run("show", word)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "hello"
    assert f"HostKeyAlias={HELLO}" in result.stdout


def test_show_tells_what_there_is(two: FakeApi, shell: Shell) -> None:
    lines = shell.run("show", "training-1").stdout
    assert "2 vCPUs, 8 GB memory, 250 GB disk, 2 × RTX A4000" in lines
    assert "2026-11-23 10:00 UTC" in lines
    assert "internal" not in lines


@pytest.mark.parametrize("odd", [{"ip_address": None}, {"ip_address": "x"}, {"vm_username": "-o"}])
def test_show_works_where_nobody_can_log_in(api: FakeApi, shell: Shell, odd: dict[str, object]) -> None:
    api.give(f"/instances/{HELLO}", {**answers.instance(), **odd})
    result = shell.run("show", HELLO)
    assert result.exit_code == 0
    assert "log in" not in result.stdout


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("helo", "There is no instance 'helo'. Did you mean hello?"),
        ("HELLO", "Did you mean hello?"),
        ("zzz", "There is no instance 'zzz'. `bluelobster list` shows yours."),
        ("0d1", "There is no instance '0d1'."),
    ],
)
def test_an_unknown_instance(two: FakeApi, shell: Shell, word: str, message: str) -> None:
    result = shell.run("show", word)
    assert result.exit_code == 3
    assert message in result.stderr


def test_an_unknown_id(api: FakeApi, shell: Shell) -> None:
    body = {"error": "instance_not_found", "message": f"Instance {HELLO} not found"}
    api.on("GET", f"/instances/{HELLO}", Reply(404, body))
    result = shell.run("show", HELLO)
    assert result.exit_code == 3
    assert result.stderr == f"Error: Instance {HELLO} not found.\n"


def test_nothing_is_guessed_where_nothing_is(api: FakeApi, shell: Shell) -> None:
    api.give("/instances", [])
    assert "you have none" in shell.run("show", "hello").stderr


def test_an_ambiguous_name_lists_what_it_could_mean(api: FakeApi, shell: Shell) -> None:
    api.give("/instances", [answers.instance(), answers.instance(OTHER)])
    result = shell.run("delete", "hello", "--yes")
    assert result.exit_code == 2
    assert HELLO in result.stderr
    assert OTHER in result.stderr
    assert [seen.method for seen in api.seen] == ["GET"]


@pytest.mark.parametrize(("arguments", "path"), [(["list"], "/instances"), (["show", "hello"], f"/instances/{HELLO}")])
def test_json_is_the_apis_answer(two: FakeApi, shell: Shell, arguments: list[str], path: str) -> None:
    body = [answers.instance()] if path == "/instances" else answers.instance(new_field={"a": [1.5, None]})
    two.give(path, body)
    assert json.loads(shell.run(*arguments, "--json").stdout) == body


def test_deleting_needs_a_yes_where_nobody_can_be_asked(two: FakeApi, shell: Shell) -> None:
    result = shell.run("delete", "hello")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert two.seen == []


def test_a_deletion_that_is_done_at_once(two: FakeApi, shell: Shell) -> None:
    done = {"status": "success", "message": "Instance deleted successfully", "instance_id": HELLO, "task_id": TASK}
    two.on("DELETE", f"/instances/{HELLO}", Reply(body=done))
    result = shell.run("delete", "hello", "--yes")
    assert (result.exit_code, result.stdout) == (0, "hello is deleted.\n")
    assert two.requests("GET", f"/tasks/{TASK}") == []


def test_a_deletion_that_takes_longer_is_waited_for(two: FakeApi, shell: Shell) -> None:
    two.on("DELETE", f"/instances/{HELLO}", Reply(body=answers.accepted()))
    result = shell.run("delete", "hello", "--yes")
    assert result.stdout == "hello is deleted.\n"
    assert len(two.requests("GET", f"/tasks/{TASK}")) == 1


def test_a_deletion_that_failed(two: FakeApi, shell: Shell) -> None:
    body = {"error": "deletion_failed", "message": "Failed to delete VM", "request_id": "req_1", "task_id": TASK}
    two.on("DELETE", f"/instances/{HELLO}", Reply(500, body))
    result = shell.run("delete", "hello", "--yes")
    assert result.exit_code == 1
    assert "Error: Failed to delete VM.\nThe operator finds the cause under request req_1." in result.stderr


@pytest.mark.parametrize("operation", POWER)
def test_power_operations_wait_for_their_end(two: FakeApi, shell: Shell, operation: str) -> None:
    two.on("POST", f"/instances/{HELLO}/{operation}", Reply(body=answers.accepted()))
    result = shell.run(operation, "hello")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("hello is ")
    assert len(two.requests("GET", f"/tasks/{TASK}")) == 1


@pytest.mark.parametrize("operation", POWER)
def test_power_operations_need_not_be_waited_for(two: FakeApi, shell: Shell, operation: str) -> None:
    two.on("POST", f"/instances/{HELLO}/{operation}", Reply(body=answers.accepted()))
    result = shell.run(operation, "hello", "--no-wait")
    assert result.stdout == f"Accepted. Follow it with `bluelobster task {TASK} --wait`.\n"
    assert two.requests("GET", f"/tasks/{TASK}") == []


def test_a_shutdown_that_fails_says_why(two: FakeApi, shell: Shell) -> None:
    two.on("POST", f"/instances/{HELLO}/shutdown", Reply(body=answers.accepted()))
    two.give(f"/tasks/{TASK}", answers.task("FAILED", "The guest did not shut down: use force-shutdown"))
    result = shell.run("shutdown", "hello")
    assert result.exit_code == 1
    assert "Error: The guest did not shut down: use force-shutdown." in result.stderr


def test_interrupting_an_operation_says_that_it_goes_on(two: FakeApi, shell: Shell) -> None:
    two.on("POST", f"/instances/{HELLO}/shutdown", Reply(body=answers.accepted()))
    two.give(f"/tasks/{TASK}", answers.task())
    running = shell.start("shutdown", "hello")
    two.wait_for("GET", f"/tasks/{TASK}", 2)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=10)
    assert running.returncode == 130
    assert f"The operation goes on: `bluelobster task {TASK}` shows how." in errors


def test_rename(two: FakeApi, shell: Shell) -> None:
    two.on("PUT", f"/instances/{HELLO}/rename", Reply(body={"message": "m", "instance_id": HELLO, "new_name": "web-1"}))
    result = shell.run("rename", "hello", "web-1")
    assert "hello is now called web-1." in result.stdout


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (400, {"error": "invalid_name", "message": "Name must be 3-64 characters"}, 2, "Name must be 3-64 characters."),
        (400, {"error": "name_taken", "message": "You have a web-1"}, 1, "You have a web-1."),
        (
            422,
            {"error": "validation_error", "message": "m", "errors": [{"field": "name", "message": "too short"}]},
            2,
            "name: too short",
        ),
        (401, {"error": "unauthorized", "message": "Invalid or missing API key"}, 4, "Is the key right?"),
        (403, {"error": "forbidden", "message": "Write permission required"}, 4, "Write permission required."),
        (409, {"error": "operation_in_progress", "message": "Busy"}, 1, "Busy."),
        (
            400,
            {"error": "x", "message": "No", "details": {"valid_regions": ["a", "b"]}},
            1,
            "No.\nValid regions: a, b.",
        ),
        (400, {"error": "x", "message": "No", "details": ["one", "two"]}, 1, "No.\nOne, two."),
        (400, {"error": "x", "message": ""}, 1, "Error: "),
    ],
)
def test_every_refusal_is_explained(
    two: FakeApi, shell: Shell, status: int, body: object, code: int, message: str
) -> None:
    two.on("PUT", f"/instances/{HELLO}/rename", Reply(status, body))
    result = shell.run("rename", "hello", "web-1")
    assert result.exit_code == code
    assert message in result.stderr
    assert 1 <= len(result.stderr.splitlines()) <= 2


def test_too_many_requests(api: FakeApi, shell: Shell) -> None:
    api.on("GET", "/instances", Reply(429, {"error": "rate_limited", "message": "Slow down"}, {"Retry-After": "60"}))
    assert shell.run("list").stderr == "Error: Slow down.\nTry again in 60 s.\n"


def test_an_api_that_is_not_there(shell: Shell) -> None:
    result = shell.run("list", "--api-url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: Cannot reach http://127.0.0.1:1: connection refused.\nIs it running? Start it with `bluelobster up`.\n"
    )


def test_an_answer_from_something_else(api: FakeApi, shell: Shell) -> None:
    api.give("/instances", b"<html>")
    result = shell.run("list")
    assert result.exit_code == 1
    assert "is it the address of the API?" in result.stderr
