"""`console`."""

import json

import pytest

from client import answers
from client.answers import HELLO
from client.fake_api import FakeApi, Reply
from client.shell import Shell

TICKET = {
    "instance_id": HELLO,
    "ticket": "secret-ticket",
    "host": "console.example.com",
    "port": 8081,
    "password": "aB3dE5gH",
    "websocket_url": "wss://console.example.com/console/websocket?ticket=secret-ticket",
    "console_url": "https://api.example.com/console/#secret-ticket",
    "expires_at": "2026-11-23T10:00:30Z",
}


@pytest.fixture
def asked(api: FakeApi) -> FakeApi:
    api.give("/instances", [answers.instance()])
    api.on("POST", f"/instances/{HELLO}/console", Reply(body=TICKET))
    return api


def test_every_way_in_is_shown(asked: FakeApi, shell: Shell) -> None:
    lines = shell.run("console", "hello").stdout.splitlines()
    assert "within 30 seconds" in lines[0]
    assert [line.split()[-1] for line in lines[1:] if line.strip()] == [
        TICKET["console_url"],
        "console.example.com::8081",
        "aB3dE5gH",
    ]


def test_json(asked: FakeApi, shell: Shell) -> None:
    assert json.loads(shell.run("console", "hello", "--json").stdout) == TICKET


def test_a_machine_that_is_off_says_how_to_switch_it_on(api: FakeApi, shell: Shell) -> None:
    api.give("/instances", [answers.instance(power_status="stopped")])
    result = shell.run("console", "hello")
    assert result.exit_code == 1
    assert "power-on hello" in result.stderr
