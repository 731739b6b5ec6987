"""`ip list`, `ip add` and `ip remove`."""

import json

import pytest

from client import answers
from client.answers import HELLO, TASK
from client.fake_api import FakeApi, Reply
from client.shell import Shell

PRIMARY = {
    "ip_address": "127.64.0.10",
    "is_primary": True,
    "prefix": 22,
    "gateway": "127.64.0.1",
    "mac_address": "02:00:00:00:00:01",
    "assigned_at": "2026-11-23T10:00:00Z",
    "price_cents_per_month": 0,
}
MORE = {**PRIMARY, "ip_address": "127.64.0.11", "is_primary": False, "price_cents_per_month": 300}
IPS = f"/instances/{HELLO}/ips"


@pytest.fixture
def one(api: FakeApi) -> FakeApi:
    """A cloud with one machine."""
    api.give("/instances", [answers.instance()])
    api.give(f"/instances/{HELLO}", answers.instance())
    api.give(f"/tasks/{TASK}", answers.task("COMPLETED", "Done"))
    api.give(IPS, {"instance_id": HELLO, "ips": [PRIMARY, MORE], "total": 2})
    return api


def test_addresses_are_listed_with_their_price(one: FakeApi, shell: Shell) -> None:
    _, first, second = shell.run("ip", "list", "hello").stdout.splitlines()
    assert first.split() == ["127.64.0.10/22", "127.64.0.1", "02:00:00:00:00:01"]
    assert second.split() == ["127.64.0.11/22", "127.64.0.1", "02:00:00:00:00:01", "$3.00/month"]
    assert json.loads(shell.run("ip", "list", "hello", "--json").stdout)["total"] == 2


def test_one_more_is_waited_for_and_told(one: FakeApi, shell: Shell) -> None:
    one.on("POST", IPS, Reply(body={**answers.accepted(), **MORE}))
    result = shell.run("ip", "add", "hello")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-2:] == ["hello has one more address.", "127.64.0.11"]


def test_one_is_taken_away(one: FakeApi, shell: Shell) -> None:
    one.on("DELETE", f"{IPS}/127.64.0.11", Reply(body=answers.accepted()))
    result = shell.run("ip", "remove", "hello", "127.64.0.11")
    assert result.stdout.splitlines()[-1] == "hello no longer has 127.64.0.11."
    assert [each.method for each in one.seen if each.path.endswith("127.64.0.11")] == ["DELETE"]
