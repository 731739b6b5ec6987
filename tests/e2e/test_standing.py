"""Credit runs out under a real guest: it is warned of, shut down, comes back with a payment, and is deleted without."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.local_cloud import NOTHING, LocalCloud, Shell, eventually, opened
from e2e.shared_cloud import SMALL

pytestmark = pytest.mark.e2e
PATIENCE = 90.0


@contextmanager
def in_no_time(staff: httpx.Client) -> Iterator[None]:
    """Each step follows the one before at once."""
    terms = staff.get("/admin/billing-terms").json()
    quick = {"launch_hours": 1, "warning_hours": [24], "shutdown_after_hours": 0, "deletion_after_hours": 336}
    done(staff.put("/admin/billing-terms", json=quick))
    try:
        yield
    finally:
        done(staff.put("/admin/billing-terms", json=terms))


def done(answer: httpx.Response) -> Any:
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def test_credit_runs_out(cloud: LocalCloud, key: Path) -> None:
    with opened(cloud.data, "staff") as running, in_no_time(running.api):
        runs_out(cloud, running.api, key)


def runs_out(cloud: LocalCloud, staff: httpx.Client, key: Path) -> None:
    account = f"/admin/accounts/{done(staff.post('/admin/accounts', json={'name': 'debtor'}))['id']}"
    api_key = done(staff.post(f"{account}/keys", json={"name": "e2e", "role": "owner"}))["api_key"]
    debtor = replace(cloud, api=httpx.Client(base_url=cloud.api.base_url, headers=headers(api_key), timeout=60))
    with debtor.api:
        pay(staff, account, 5)
        launch = {
            "region": "us-east-1",
            "instance_type": SMALL,
            "template_name": "TINY-LINUX",
            "username": "captain",
            "name": "on-credit",
            "ssh_key": key.with_suffix(".pub").read_text(),
        }
        accepted = debtor.api.post("/instances/launch-instance", json=launch)
        debtor.completed(accepted)
        instance_id = accepted.json()["vm_uuid"]
        path = f"/instances/{instance_id}"
        shown = debtor.api.get(path).json()
        shell = Shell(key, "captain", shown["ip_address"], shown["ssh_port"])
        told(debtor, "billing.low_credit")
        assert shell.knocks()

        three_hours_pass(cloud, instance_id)
        told(debtor, "billing.past_due")
        told(debtor, "billing.suspended")
        eventually(lambda: not cloud.machines(instance_id), PATIENCE)
        eventually(lambda: is_power(debtor, path, "stopped"), PATIENCE)
        refused = debtor.api.post(f"{path}/power-on")
        assert (refused.status_code, refused.json()["error"]) == (402, "account_suspended")

        pay(staff, account, refused.json()["missing_cents"])
        told(debtor, "billing.good_standing")
        eventually(lambda: is_power(debtor, path, "running"), PATIENCE)
        eventually(lambda: cloud.machines(instance_id), PATIENCE)

        terms = staff.get("/admin/billing-terms").json()
        done(staff.put("/admin/billing-terms", json={**terms, "deletion_after_hours": 0}))
        pay(staff, account, -10)
        told(debtor, "billing.terminated")
        eventually(lambda: debtor.api.get(path).status_code == 404, PATIENCE)
        assert cloud.left_of(instance_id) == NOTHING
        pay(staff, account, 100)
        eventually(lambda: staff.post(f"{account}/close").status_code == 200, PATIENCE)


def three_hours_pass(cloud: LocalCloud, instance_id: str) -> None:
    """At three cents each."""
    earlier = "update usage_periods set began_at = began_at - interval '3 hours' where instance_id = %s returning 1"
    assert cloud.one(earlier, instance_id)


def headers(api_key: str) -> dict[str, str]:
    return {"X-API-Key": api_key, "Accept": "application/json"}


def pay(staff: httpx.Client, account: str, cents: int) -> None:
    done(staff.post(f"{account}/credit", json={"amount_cents": cents, "reason": "test"}))


def told(debtor: LocalCloud, kind: str) -> None:
    eventually(lambda: debtor.api.get("/events", params={"kind": kind}).json()["events"], PATIENCE)


def is_power(debtor: LocalCloud, path: str, status: str) -> bool:
    return bool(debtor.api.get(path).json()["power_status"] == status)
