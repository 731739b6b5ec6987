"""Where the commands find the API and the key."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from bluelobster_client.cli import target
from bluelobster_client.cli.stop import Stop
from bluelobster_client.cli.target import CHECKOUT, credentials_path, find_target, read_credentials
from client.fake_api import FakeApi
from client.shell import Shell

ACCOUNTS = [
    {"name": "operator", "role": "staff", "api_key": "bl_staff"},
    {"name": "demo", "role": "customer", "api_key": "bl_demo"},
]


def write_credentials(shell: Shell, **fields: object) -> Path:
    shell.data.mkdir(exist_ok=True)
    path = shell.data / "credentials.json"
    path.write_text(json.dumps({"api_url": shell.url, "accounts": ACCOUNTS, **fields}))
    return path


def bare(shell: Shell, url: str | None = None, key: str | None = None) -> Shell:
    return dataclasses.replace(shell, url=url, key=key)


def test_the_local_clouds_customer_is_the_default(api: FakeApi, shell: Shell) -> None:
    write_credentials(shell)
    api.give("/instances", [])
    assert bare(shell).run("list").exit_code == 0
    assert api.seen[0].headers["x-api-key"] == "bl_demo"


def test_an_account_of_the_local_cloud_can_be_chosen(api: FakeApi, shell: Shell) -> None:
    write_credentials(shell)
    api.give("/instances", [])
    assert shell.run("list", "--account", "operator").exit_code == 0
    assert api.seen[0].headers["x-api-key"] == "bl_staff"


def test_the_environment_comes_before_the_local_cloud_and_options_before_both(api: FakeApi, shell: Shell) -> None:
    write_credentials(shell, api_url="http://127.0.0.1:1")
    api.give("/instances", [])
    shell.run("list")
    bare(shell).run("list", "--api-url", api.url, "--api-key", "bl_given")
    assert [seen.headers["x-api-key"] for seen in api.seen] == ["bl_key", "bl_given"]


def test_a_key_of_the_local_cloud_is_never_sent_elsewhere(api: FakeApi, shell: Shell) -> None:
    write_credentials(shell, api_url="http://127.0.0.1:1")
    result = bare(shell).run("list", "--api-url", api.url)
    assert result.exit_code == 2
    assert f"There is no key for {api.url}. Set BLUELOBSTER_API_KEY" in result.stderr
    result = bare(shell).run("list", "--api-url", api.url, "--account", "demo")
    assert result.exit_code == 2
    assert "belongs to the local" in result.stderr
    assert api.seen == []


def test_a_key_alone_is_for_the_local_cloud(api: FakeApi, shell: Shell) -> None:
    write_credentials(shell)
    api.give("/instances", [])
    assert bare(shell, key="bl_mine").run("list").exit_code == 0
    assert api.seen[0].headers["x-api-key"] == "bl_mine"


def test_where_nothing_is_known_the_message_says_what_to_do(shell: Shell) -> None:
    result = bare(shell).run("list")
    assert result.exit_code == 2
    assert "`bluelobster up`" in result.stderr
    assert "BLUELOBSTER_API_URL and BLUELOBSTER_API_KEY" in result.stderr
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--account", "nobody"], "no account named 'nobody'. It has: operator, demo."),
        (["--account", "demo", "--api-key", "x"], "either --account or --api-key"),
        (["--api-url", "nonsense", "--api-key", "x"], "is not a web address"),
        (["--api-key", "two words"], "was it copied whole?"),
    ],
)
def test_wrong_options_are_explained(shell: Shell, arguments: list[str], message: str) -> None:
    write_credentials(shell)
    result = shell.run("list", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "two words" not in result.stderr


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"api_url": "http://x", "accounts": [{"name": "a"}]}', "\0"])
def test_damaged_credentials_are_explained(shell: Shell, content: str) -> None:
    write_credentials(shell).write_text(content)
    result = bare(shell).run("list")
    assert result.exit_code == 1
    assert "is damaged" in result.stderr


def test_credentials_of_another_user_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(Stop, match="belongs to another user"):
        read_credentials(tmp_path / "credentials.json")


def test_without_a_customer_an_account_must_be_named(shell: Shell) -> None:
    write_credentials(shell, accounts=ACCOUNTS[:1])
    result = bare(shell).run("list")
    assert result.exit_code == 2
    assert "no customer account. It has: operator." in result.stderr


def test_health_needs_no_key(api: FakeApi, shell: Shell) -> None:
    api.give("/health", {"status": "healthy", "components": {}})
    assert bare(shell, url=api.url).run("health").exit_code == 0
    assert "x-api-key" not in api.seen[0].headers


def test_the_local_clouds_data_is_in_the_checkout() -> None:
    assert (CHECKOUT / "src" / "bluelobster_client").is_dir()
    assert credentials_path({}) == CHECKOUT / "data" / "credentials.json"
    assert credentials_path({"BLUELOBSTER_DATA": "/srv/cloud"}) == Path("/srv/cloud/credentials.json")


def test_the_api_prefix_makes_no_other_api(shell: Shell) -> None:
    write_credentials(shell, api_url="http://127.0.0.1:8000")
    environment = {**os.environ, **bare(shell).environment}
    found = find_target("http://127.0.0.1:8000/api/v1/", None, None, environment, "bluelobster", needs_key=True)
    assert found == target.Target("http://127.0.0.1:8000", "bl_demo")
