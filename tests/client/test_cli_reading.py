"""`types`, `templates`, `tasks`, `task`, `stats`, `health`."""

import json
import signal

import pytest

from client import answers
from client.answers import HELLO, OTHER, TASK
from client.fake_api import FakeApi, Reply
from client.shell import Shell


def test_types(api: FakeApi, shell: Shell) -> None:
    api.give("/instances/available", answers.example("get", "/api/v1/instances/available"))
    _, medium, gpu = shell.run("types").stdout.splitlines()
    assert medium.split() == ["v1_cpu_medium", "4", "16", "GiB", "250", "GiB", "$0.06/h", "us-east-dev"]
    assert "1 × A4000" in gpu
    api.give("/instances/available", {"data": [answers.instance_type("v1_cpu_small", 3)]})
    assert "no region now" in shell.run("types").stdout


def test_templates(api: FakeApi, shell: Shell) -> None:
    both = {**answers.template("UBUNTU-22-04-NV", "ubuntu"), "has_docker": True, "has_nvidia_driver": True}
    api.give("/instances/templates", {"templates": [both], "total": 1})
    line = shell.run("templates").stdout.splitlines()[1]
    assert "Docker, NVIDIA" in line
    assert line.split()[-1] == "ubuntu"


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("types", "/instances/available"),
        ("templates", "/instances/templates"),
        ("tasks", "/tasks"),
        ("health", "/health"),
    ],
)
def test_json_is_the_apis_answer(api: FakeApi, shell: Shell, command: str, path: str) -> None:
    body = {"status": "healthy", "anything": ["a", 1, 1.5, None, True, "\u009b31m"]}
    api.give(path, body)
    result = shell.run(command, "--json")
    assert json.loads(result.stdout) == body
    assert "\u009b" not in result.stdout


def test_tasks(api: FakeApi, shell: Shell) -> None:
    api.give("/tasks", {"tasks": [answers.task("COMPLETED", "Ready"), answers.task()], "total": 2})
    lines = shell.run("tasks", "--limit", "7", "--days", "2", "--status", "failed").stdout.splitlines()
    assert lines[1].split()[:3] == ["5f0c2a41", "create_instance", "COMPLETED"]
    assert lines[1].split()[-3:] == ["5", "s", "Ready"]
    assert api.seen[0].query == {"limit": "7", "days": "2", "status": "failed"}
    api.give("/tasks", {"tasks": []})
    assert shell.run("tasks").stdout == "There are no operations in this time.\n"


@pytest.mark.parametrize("word", [TASK, TASK[:8], TASK[:4]])
def test_a_task_by_its_id_or_the_beginning_of_it(api: FakeApi, shell: Shell, word: str) -> None:
    api.give("/tasks", {"tasks": [answers.task(), answers.task(task_id=OTHER)]})
    api.give(f"/tasks/{TASK}", answers.task(progress=40))
    result = shell.run("task", word)
    assert "40 %" in result.stdout
    assert TASK in result.stdout
    assert json.loads(shell.run("task", word, "--json").stdout) == answers.task(progress=40)


def test_a_task_that_is_not_known_or_not_clear(api: FakeApi, shell: Shell) -> None:
    api.give("/tasks", {"tasks": [answers.task(), answers.task(task_id=TASK[:8] + OTHER[8:])]})
    missing = {"error": "task_not_found", "message": "Task not found", "task_id": "nope1"}
    api.on("GET", "/tasks/nope1", Reply(404, missing))
    assert shell.run("task", "nope1").exit_code == 3
    result = shell.run("task", TASK[:8])
    assert result.exit_code == 2
    assert "the beginning of 2 ids" in result.stderr


def test_waiting_for_a_task(api: FakeApi, shell: Shell) -> None:
    api.give(f"/tasks/{TASK}", answers.task(), answers.task("COMPLETED", "Ready"))
    result = shell.run("task", TASK, "--wait")
    assert result.exit_code == 0
    assert "0 s: Starting the machine" in result.stderr
    assert "COMPLETED" in result.stdout


def test_stats(api: FakeApi, shell: Shell) -> None:
    api.give(f"/instances/{HELLO}", answers.instance())
    api.give(f"/instances/{HELLO}/stats", answers.stats())
    text = shell.run("stats", HELLO).stdout
    assert "25.5 % of 8 vCPUs" in text
    assert "8.0 GiB of 16.0 GiB (50.0 %)" in text
    assert "1.0 MiB/s read, 512.0 KiB/s written" in text
    assert "1 d" in text
    assert json.loads(shell.run("stats", HELLO, "--json").stdout) == answers.stats()


@pytest.mark.parametrize(("arguments", "sign"), [([], "running: cpu 25.5 %"), (["--json"], '"usage_percent": 25.5')])
def test_watching_stats_in_a_pipe_writes_a_line_a_look(
    api: FakeApi, shell: Shell, arguments: list[str], sign: str
) -> None:
    api.give(f"/instances/{HELLO}", answers.instance())
    api.give(f"/instances/{HELLO}/stats", answers.stats())
    running = shell.start("stats", HELLO, "--watch", "--interval", "0.1", *arguments)
    api.wait_for("GET", f"/instances/{HELLO}/stats", 3)
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=10)
    assert running.returncode == 130
    assert len(output.splitlines()) >= 2
    assert all(sign in line for line in output.splitlines())
    assert "Traceback" not in errors


@pytest.mark.parametrize(("status", "http", "code"), [("healthy", 200, 0), ("degraded", 200, 0), ("unhealthy", 503, 1)])
def test_health(api: FakeApi, shell: Shell, status: str, http: int, code: int) -> None:
    api.on("GET", "/health", Reply(http, {"status": status, "components": {"postgresql": "operational"}}))
    result = shell.run("health")
    assert result.exit_code == code
    assert [line.split() for line in result.stdout.splitlines()] == [
        [api.url],
        ["status", status],
        ["postgresql", "operational"],
    ]
