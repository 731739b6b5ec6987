"""`billing`: what it costs."""

import json

from client.fake_api import FakeApi, Reply
from client.shell import Shell

AMOUNTS = {"instance_cents": 878, "address_cents": 5, "backup_cents": 0, "total_cents": 883}
INVOICE = {
    "id": "0b7f0c52-6a53-4b0e-8d3a-1f0e8c1e2a11",
    "number": "2026-000042",
    "month": "2026-11",
    "opening_balance_cents": -7,
    "credited_cents": 2500,
    "charged_cents": 883,
    "closing_balance_cents": 1610,
}

TOP_UP = {
    "id": "3e0a6b5e-58a5-4b61-9d3c-6a8a1a6f9a10",
    "status": "open",
    "amount_cents": 2550,
    "refunded_cents": 0,
    "url": "https://checkout.example.com/pay/1",
    "created_at": "2026-11-23T10:00:00Z",
    "expires_at": "2026-11-23T22:00:00Z",
}


def test_balance(api: FakeApi, shell: Shell) -> None:
    given = {
        "balance_cents": -7,
        "charged_this_month_cents": 883,
        "cents_per_hour": 45,
        "charged_to": None,
        "hours_left": None,
        "standing": "past_due",
        "next_step_at": "2026-11-24T10:00:00Z",
    }
    api.give("/billing/balance", given)
    _, line, step = shell.run("billing", "balance").stdout.splitlines()
    assert line.split() == ["-$0.07", "$8.83", "$0.45", "past", "due"]
    assert step == "Your instances are shut down at 2026-11-24T10:00:00Z unless you pay before."
    api.give("/billing/balance", {**given, "hours_left": 100, "standing": "good", "next_step_at": None})
    (line,) = shell.run("billing", "balance").stdout.splitlines()[1:]
    assert line.split() == ["-$0.07", "$8.83", "$0.45", "4", "days", "good"]
    api.give("/billing/balance", given)
    assert json.loads(shell.run("billing", "balance", "--json").stdout) == given


def test_usage(api: FakeApi, shell: Shell) -> None:
    line = {"instance_name": "trainer", "team_name": None, "instance_hours": 19.5, **AMOUNTS}
    answer = {"from": "2026-11-01", "to": "2026-11-23", "lines": [line], "total_cents": 883}
    api.give("/billing/usage", answer)
    shown = shell.run("billing", "usage").stdout.splitlines()
    assert shown[1].split() == ["trainer", "19.5", "$8.78", "$0.05", "$0.00", "$8.83"]
    assert shown[2] == "$8.83 in all, 2026-11-01 to 2026-11-23"
    assert shell.run("billing", "usage", "--by", "team", "--from", "2026-11-01").exit_code == 0
    assert json.loads(shell.run("billing", "usage", "--json").stdout) == answer


def test_invoices_and_prices(api: FakeApi, shell: Shell) -> None:
    api.give("/billing/invoices", {"invoices": [INVOICE], "next": None})
    shown = shell.run("billing", "invoices").stdout.splitlines()[1].split()
    assert shown == ["2026-000042", "2026-11", "-$0.07", "$25.00", "$8.83", "$16.10", INVOICE["id"]]
    assert json.loads(shell.run("billing", "invoices", "--json").stdout)["next"] is None
    machine = {"item": "instance_hour", "instance_type": "gpu_1x_a4000", "cents": 45, "unit": "hour"}
    address = {"item": "ip_address_month", "instance_type": None, "cents": 300, "unit": "month"}
    api.give("/billing/prices", {"prices": [machine, address]})
    lines = [line.split() for line in shell.run("billing", "prices").stdout.splitlines()[1:]]
    assert lines == [["gpu_1x_a4000", "$0.45", "hour"], ["ip_address_month", "$3.00", "month"]]
    assert len(json.loads(shell.run("billing", "prices", "--json").stdout)["prices"]) == 2


def test_top_up(api: FakeApi, shell: Shell) -> None:
    api.on("POST", "/billing/top-ups", Reply(201, TOP_UP))
    done = shell.run("billing", "top-up", "25.50")
    assert done.stdout == "https://checkout.example.com/pay/1\n"
    assert "Pay $25.50 here" in done.stderr
    [sent] = api.requests("POST", "/billing/top-ups")
    assert sent.body == {"amount_cents": 2550}
    assert sent.headers["idempotency-key"]
    assert json.loads(shell.run("billing", "top-up", "$25", "--json").stdout) == TOP_UP
    assert api.requests("POST", "/billing/top-ups")[1].body == {"amount_cents": 2500}
    for wrong in ("25.5", "-1", "1e3", "25,50", "٢٥", "all"):
        assert shell.run("billing", "top-up", "--", wrong).exit_code == 2
    assert len(api.requests("POST", "/billing/top-ups")) == 2


def test_top_ups(api: FakeApi, shell: Shell) -> None:
    api.give("/billing/top-ups", {"top_ups": [{**TOP_UP, "status": "paid", "refunded_cents": 50}], "next": None})
    shown = shell.run("billing", "top-ups").stdout.splitlines()[1].split()
    assert (shown[:3], shown[-1]) == (["$25.50", "paid", "$0.50"], TOP_UP["id"])
    assert json.loads(shell.run("billing", "top-ups", "--json").stdout)["next"] is None
