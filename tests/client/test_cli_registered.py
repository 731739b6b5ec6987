"""`ssh-key`: list, add, remove; and launching with what is registered."""

import json
from pathlib import Path

from client import answers
from client.answers import KEY, TASK
from client.fake_api import FakeApi, Reply
from client.shell import Shell

LAPTOP = {
    "id": "0b7f0c52-6a53-4b0e-8d3a-1f0e8c1e2a11",
    "name": "laptop",
    "fingerprint": "SHA256:abc",
    "public_key": KEY,
    "created_at": "2026-11-23T10:00:00Z",
}


def test_keys_are_listed(api: FakeApi, shell: Shell) -> None:
    api.give("/ssh-keys", {"ssh_keys": [LAPTOP], "total": 1})
    shown = shell.run("ssh-key", "list")
    assert (shown.exit_code, "SHA256:abc" in shown.output) == (0, True)
    assert json.loads(shell.run("ssh-key", "list", "--json").stdout)["total"] == 1


def test_a_key_is_added_from_its_file(api: FakeApi, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "id.pub").write_text(f"{KEY}\n")
    api.on("POST", "/ssh-keys", Reply(201, LAPTOP))
    added = shell.run("ssh-key", "add", "laptop", str(tmp_path / "id.pub"))
    assert (added.exit_code, "SHA256:abc" in added.stderr) == (0, True)
    assert api.seen[-1].body == {"name": "laptop", "public_key": KEY}
    assert json.loads(shell.run("ssh-key", "add", "laptop", str(tmp_path / "id.pub"), "--json").stdout) == LAPTOP


def test_a_private_key_is_not_sent(api: FakeApi, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    refused = shell.run("ssh-key", "add", "laptop", str(tmp_path / "id"))
    assert (refused.exit_code, api.seen) == (2, [])


def test_a_key_is_removed(api: FakeApi, shell: Shell) -> None:
    api.on("DELETE", "/ssh-keys/laptop", Reply(204, b""))
    assert shell.run("ssh-key", "remove", "laptop").exit_code == 0
    missing = shell.run("ssh-key", "remove", "tablet")
    assert missing.exit_code != 0


def test_a_launch_with_registered_keys_and_user_data(api: FakeApi, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "setup.sh").write_text("#!/bin/sh\ntrue\n")
    api.on("POST", "/instances/launch-instance", Reply(body=answers.launched()))
    options = ["--type", "v1_cpu_small", "--region", "us-east-1", "--username", "ada", "--no-wait"]
    user_data = ["--user-data", str(tmp_path / "setup.sh")]
    done = shell.run("launch", *options, "--key-name", "laptop", "--key-name", "desktop", *user_data)
    assert done.exit_code == 0, done.output
    body = api.seen[-1].body
    assert isinstance(body, dict)
    assert body["ssh_key_names"] == ["laptop", "desktop"]
    assert body["user_data"] == "#!/bin/sh\ntrue\n"
    assert "ssh_key" not in body
    assert TASK in done.output


def test_a_password_that_was_lost_is_not_pretended(api: FakeApi, shell: Shell) -> None:
    answer = {**answers.launched(), "credentials": {"username": "ada", "note": "shown once"}}
    api.on("POST", "/instances/launch-instance", Reply(body=answer))
    options = ["--type", "v1_cpu_small", "--region", "us-east-1", "--username", "ada", "--no-wait"]
    done = shell.run("launch", *options, "--key-name", "laptop")
    assert "lost with the connection" in done.output
