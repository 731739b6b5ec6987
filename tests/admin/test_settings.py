"""How a command finds its database, and what it says when it does not."""

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from admin.shell import Shell
from bluelobster.__main__ import main
from bluelobster.access.sealing import Seal, new_key

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def test_a_secret_key_is_made_once_and_for_its_owner_alone(shell: Shell) -> None:
    path = Path("key").absolute()
    assert shell.does("secret-key key") == f"key written; set BLUELOBSTER_SECRET_KEY_FILE={path}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    made = path.read_text()
    Seal.from_text(made.strip())
    refused = shell.refuses("secret-key key")
    assert refused == "key exists already and is left as it is: secrets may be sealed with it"
    assert path.read_text() == made
    assert shell.refuses("secret-key nowhere/key") == "cannot write nowhere/key: No such file or directory"


@pytest.mark.own_database
def test_migrate(shell: Shell) -> None:
    assert shell.does("migrate") == "the database is up to date\n"


def test_a_database_that_is_not_there(shell: Shell) -> None:
    for address, reason in {
        NOWHERE: "cannot reach the database: connection failed: ",
        "mysql://x": "the database's address cannot be used: the database address must start with postgresql://",
        "postgresql://x@127.0.0.1:port/x": "the database's address cannot be used: ",
    }.items():
        assert shell.refuses("account list", BLUELOBSTER_DATABASE_URL=address).startswith(reason)


def test_a_secret_key_that_is_none(shell: Shell) -> None:
    short = base64.b64encode(b"short").decode()
    for key, reason in {
        "key": "the secret key is not base64",
        "é": "the secret key is not base64",
        short: "the secret key must be 32 bytes in base64, this one has 5",
    }.items():
        assert shell.refuses("account list", BLUELOBSTER_SECRET_KEY=key) == reason


def test_no_secret_key(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLUELOBSTER_SECRET_KEY")
    assert "made by `bluelobster admin secret-key`" in shell.misreads("account list")
    assert "/nowhere" in shell.misreads("account list", BLUELOBSTER_SECRET_KEY_FILE="/nowhere")


def test_a_local_cloud_tells_its_own_operator(shell: Shell, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLUELOBSTER_DATABASE_URL")
    refused = shell.refuses("account list")
    assert refused.startswith("no database: set BLUELOBSTER_DATABASE_URL, or start `./bluelobster up` first")
    Path("data").mkdir()
    settings = {"database_url": database, "secret_key": new_key()}
    Path("data", "operator.json").write_text(json.dumps(settings))
    shell.does("account add acme")
    Path("data").rename("elsewhere")
    result = CliRunner().invoke(main, ["admin", "--data", "elsewhere", "account", "list"])
    assert "acme" in result.output
    assert "acme" in shell.does("account list", BLUELOBSTER_DATA="elsewhere")


def test_every_command_explains_itself(shell: Shell) -> None:
    for line in ("", "account", "key", "region", "gpu", "type", "pool", "host", "template"):
        status, output = shell.run(f"{line} --help")
        assert status == 0
        commands = output.partition("Commands:")[2].split("\n")
        for command in (each.split()[0] for each in commands if each.strip()):
            status, output = shell.run(f"{line} {command} --help")
            assert (status, output.startswith(f"Usage: bluelobster admin {line} {command}".replace("  ", " "))) == (
                0,
                True,
            )
            assert len(output.split("\n\n")[1].strip()) > 10
    assert shell.misreads("nonsense") == "No such command 'nonsense'."
