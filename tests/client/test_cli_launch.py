"""`launch` from the request to the ssh command."""

import json
import signal
import threading
from pathlib import Path

import pytest

from client import answers
from client.answers import HELLO, KEY, TASK
from client.fake_api import FakeApi, Reply
from client.shell import Shell

LAUNCH = "/instances/launch-instance"
FULL = ["--type", "v1_cpu_small", "--region", "us-east-1", "--username", "ada"]


@pytest.fixture
def cloud(api: FakeApi) -> FakeApi:
    """A cloud in which every launch succeeds at once."""
    big, small = (
        answers.instance_type("v1_cpu_big", 12, "us-east-1"),
        answers.instance_type("v1_cpu_small", 3, "eu-1", "us-1"),
    )
    api.give("/instances/available", {"data": [answers.instance_type("v1_sold_out", 1), big, small]})
    api.give("/instances/templates", {"templates": [answers.template("TINY-LINUX", "tiny")], "total": 1})
    api.on("POST", LAUNCH, Reply(body=answers.launched()))
    api.give(f"/tasks/{TASK}", answers.task("COMPLETED", "Ready"))
    api.give(f"/instances/{HELLO}", answers.instance())
    return api


@pytest.fixture
def key(shell: Shell) -> Path:
    """The user's usual key, both halves."""
    (shell.home / ".ssh" / "id_ed25519").touch()
    path = shell.home / ".ssh" / "id_ed25519.pub"
    path.write_text(KEY + "\n")
    return path


def test_a_launch_without_options(cloud: FakeApi, shell: Shell, key: Path) -> None:
    result = shell.run("launch")
    assert result.exit_code == 0, result.output
    assert cloud.requests("POST", LAUNCH)[0].body == {
        "region": "eu-1",
        "instance_type": "v1_cpu_small",
        "username": "tiny",
        "ssh_key": KEY,
    }
    assert f"Launching a machine: v1_cpu_small in eu-1, user tiny, key {key}" in result.stderr
    assert "0 s: Ready" in result.stderr
    title, *facts = result.stdout.splitlines()
    assert title == "hello is ready after 0 s"
    assert [line.split(maxsplit=1) for line in facts[:3]] == [
        ["id", HELLO],
        ["address", "127.64.0.10"],
        ["price", "$0.03/h"],
    ]
    assert facts[3] == (
        f"  log in   ssh -i {key.with_suffix('')} -p 2222 -o HostKeyAlias={HELLO}"
        " -o StrictHostKeyChecking=accept-new ada@127.64.0.10"
    )


def test_everything_can_be_asked_for(cloud: FakeApi, shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "other.pub"
    path.write_text(KEY)
    wishes = ["--name", "hello", "--ssh-key", str(path), "--template", "DEBIAN-12", "--password", "geheim123"]
    result = shell.run("launch", *FULL, *wishes, "--metadata", "project=x", "--metadata", "note=a=b")
    assert result.exit_code == 0, result.output
    assert cloud.seen[0].path.endswith(LAUNCH)
    assert cloud.seen[0].body == {
        "region": "us-east-1",
        "instance_type": "v1_cpu_small",
        "username": "ada",
        "name": "hello",
        "ssh_key": KEY,
        "password": "geheim123",
        "template_name": "DEBIAN-12",
        "metadata": {"project": "x", "note": "a=b"},
    }
    assert "geheim123" not in result.output
    assert " -i " not in result.stdout


def test_a_password_can_be_asked_for_and_replaces_the_usual_key(cloud: FakeApi, shell: Shell, key: Path) -> None:
    result = shell.run("launch", *FULL, "--password", typed="geheim123\ngeheim123\n")
    assert result.exit_code == 0, result.output
    body = cloud.requests("POST", LAUNCH)[0].body
    assert isinstance(body, dict)
    assert body["password"] == "geheim123"
    assert "ssh_key" not in body
    assert "geheim123" not in result.output


def test_an_address_of_the_internet_needs_no_special_options(cloud: FakeApi, shell: Shell, key: Path) -> None:
    cloud.give(f"/instances/{HELLO}", answers.instance(ip_address="203.0.113.5", ssh_port=22))
    result = shell.run("launch", *FULL)
    assert result.stdout.endswith(f"ssh -i {key.with_suffix('')} ada@203.0.113.5\n")


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (
            ["--type", "v1_gpu"],
            "There is no instance type 'v1_gpu'.\nThere are: v1_sold_out, v1_cpu_big, v1_cpu_small.",
            2,
        ),
        (["--type", "v1_sold_out"], "no room for v1_sold_out in any region now.\nThere is room for: v1_cpu_big,", 1),
        (["--type", "v1_cpu_big", "--region", "eu-1", "--template", "NONE"], "There is no template 'NONE'", 2),
        (["--region", "mars"], "no region 'mars', or no room in it now.\nThere is room in: eu-1, us-1, us-east-1.", 1),
        ([*FULL, "--password", ""], "--password must not be empty", 2),
        (["--metadata", "novalue"], "--metadata novalue: write it as KEY=VALUE.", 2),
        (["--metadata", "=x"], "--metadata =x: write it as KEY=VALUE.", 2),
    ],
)
def test_wishes_that_cannot_be_met(
    cloud: FakeApi, shell: Shell, key: Path, arguments: list[str], message: str, code: int
) -> None:
    result = shell.run("launch", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert cloud.requests("POST", LAUNCH) == []


def test_a_cloud_without_templates_says_so(api: FakeApi, shell: Shell, key: Path) -> None:
    api.give("/instances/available", {"data": [answers.instance_type("v1_cpu_small", 3)]})
    api.give("/instances/templates", {"templates": [], "total": 0})
    result = shell.run("launch", "--username", "ada")
    assert result.exit_code == 1
    assert "There is nothing to launch yet: the operator has not provided any template." in result.stderr


def test_without_any_key_the_message_says_how_to_make_one(cloud: FakeApi, shell: Shell) -> None:
    result = shell.run("launch", *FULL)
    assert result.exit_code == 2
    assert "ssh-keygen -t ed25519" in result.stderr
    assert cloud.requests("POST", LAUNCH) == []


def test_windows_needs_no_key_and_its_password_is_shown(cloud: FakeApi, shell: Shell) -> None:
    windows = answers.template("WIN10", "bluelobster", "windows")
    cloud.give("/instances/templates", {"templates": [windows], "total": 1})
    login = {"username": "bluelobster", "password": "K8mP2nX9vL4qR123", "note": "once"}
    cloud.on("POST", LAUNCH, Reply(body=answers.launched(credentials=login)))
    result = shell.run("launch", "--template", "WIN10")
    assert result.exit_code == 0, result.output
    assert "password  K8mP2nX9vL4qR123   (shown only now)" in result.stdout
    result = shell.run("launch", "--template", "WIN10", "--no-wait")
    assert "K8mP2nX9vL4qR123" in result.stdout


def test_a_private_key_is_never_sent(cloud: FakeApi, shell: Shell, key: Path) -> None:
    private = key.with_suffix("")
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n")
    result = shell.run("launch", "--ssh-key", str(private))
    assert result.exit_code == 2
    assert f"{private} is a private key" in result.stderr
    assert cloud.seen == []


def test_a_failed_launch_says_why(cloud: FakeApi, shell: Shell, key: Path) -> None:
    cloud.give(f"/tasks/{TASK}", answers.task("FAILED", "The template's image is damaged"))
    result = shell.run("launch", "--name", "hello", *FULL)
    assert result.exit_code == 1
    assert "Error: hello could not be launched: The template's image is damaged." in result.stderr
    assert result.stdout == ""


def test_refused_fields_are_named_by_their_options(cloud: FakeApi, shell: Shell, key: Path) -> None:
    errors = [
        {"field": "username", "message": "begins with a letter"},
        {"field": "metadata.a", "message": "is too long"},
    ]
    cloud.on("POST", LAUNCH, Reply(422, {"error": "validation_error", "message": "m", "errors": errors}))
    result = shell.run("launch", *FULL)
    assert result.exit_code == 2
    assert "Error: --username: begins with a letter\n--metadata: is too long\n" in result.stderr


def test_without_waiting(cloud: FakeApi, shell: Shell, key: Path) -> None:
    result = shell.run("launch", *FULL, "--no-wait")
    assert result.exit_code == 0
    assert f"bluelobster task {TASK} --wait" in result.stdout
    assert cloud.requests("GET", f"/tasks/{TASK}") == []
    result = shell.run("launch", *FULL, "--no-wait", "--json")
    assert json.loads(result.stdout) == answers.launched()


def test_as_json(cloud: FakeApi, shell: Shell, key: Path) -> None:
    done = answers.task("COMPLETED", "Ready")
    result = shell.run("launch", *FULL, "--json")
    assert json.loads(result.stdout) == {"launch": answers.launched(), "task": done, "instance": answers.instance()}
    failed = answers.task("FAILED", "No")
    cloud.give(f"/tasks/{TASK}", failed)
    result = shell.run("launch", *FULL, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"launch": answers.launched(), "task": failed, "instance": None}


def test_interrupting_the_wait_leaves_the_launch_alone(cloud: FakeApi, shell: Shell, key: Path) -> None:
    cloud.give(f"/tasks/{TASK}", answers.task())
    running = shell.start("launch", "--name", "hello", *FULL)
    cloud.wait_for("GET", f"/tasks/{TASK}", 2)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=10)
    assert running.returncode == 130
    assert "The launch goes on." in errors
    assert f"`bluelobster task {TASK}`" in errors
    assert "`bluelobster delete hello`" in errors
    assert "Traceback" not in errors
    assert [seen.method for seen in cloud.seen].count("DELETE") == 0


def test_interrupting_the_request_says_that_it_may_have_been_accepted(cloud: FakeApi, shell: Shell, key: Path) -> None:
    answer = threading.Event()
    cloud.on("POST", LAUNCH, Reply(body=answers.launched(), until=answer))
    running = shell.start("launch", *FULL)
    cloud.wait_for("POST", LAUNCH)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=10)
    answer.set()
    assert running.returncode == 130
    assert "may have been accepted" in errors


def test_a_lost_answer_says_where_to_look(cloud: FakeApi, shell: Shell, key: Path) -> None:
    cloud.on("POST", LAUNCH, Reply(drop=True))
    result = shell.run("launch", *FULL)
    assert result.exit_code == 1
    assert "may have been carried out: look with `bluelobster list`" in result.stderr
    assert len({seen.headers["idempotency-key"] for seen in cloud.requests("POST", LAUNCH)}) == 1
