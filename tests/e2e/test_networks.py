"""Networks between real machines: one more address without a reboot, and who reaches whom inside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.local_cloud import NOTHING, LocalCloud, Shell, eventually, opened

pytestmark = pytest.mark.e2e
PATIENCE = 30.0


@pytest.fixture
def others(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """The same cloud as another account sees it."""
    with opened(cloud.data, "staff") as seen:
        yield seen


def launch(cloud: LocalCloud, key: Path) -> httpx.Response:
    launch = {
        "region": "us-east-1",
        "instance_type": "v1_cpu_small",
        "template_name": "TINY-LINUX",
        "username": "captain",
        "ssh_key": key.with_suffix(".pub").read_text(),
    }
    return cloud.api.post("/instances/launch-instance", json=launch)


def launched(cloud: LocalCloud, answer: httpx.Response) -> dict[str, Any]:
    cloud.completed(answer)
    shown: dict[str, Any] = cloud.api.get(f"/instances/{answer.json()['vm_uuid']}").json()
    return shown


def test_networks(cloud: LocalCloud, others: LocalCloud, key: Path) -> None:
    asked = [(who, launch(who, key)) for who in (cloud, cloud, others)]
    first, second, stranger = (launched(who, answer) for who, answer in asked)
    shells = {each["uuid"]: shell_of(each, key) for each in (first, second, stranger)}

    machines_of_an_account_reach_each_other(shells, first, second, stranger)
    an_address_comes_and_goes(cloud, first, shells[first["uuid"]])

    for who, machine in ((cloud, first), (cloud, second), (others, stranger)):
        assert who.api.delete(f"/instances/{machine['uuid']}").json()["status"] == "success"
    assert cloud.left_of(*shells) == NOTHING


def shell_of(machine: dict[str, Any], key: Path) -> Shell:
    return Shell(key, "captain", machine["ip_address"], machine["ssh_port"], lasting=True)


def machines_of_an_account_reach_each_other(
    shells: dict[str, Shell], first: dict[str, Any], second: dict[str, Any], stranger: dict[str, Any]
) -> None:
    def reaches(here: dict[str, Any], there: dict[str, Any]) -> bool:
        return shells[here["uuid"]].attempt(f"sudo ping -c 1 -W 2 {there['internal_ip']}").returncode == 0

    assert len({each["internal_ip"] for each in (first, second, stranger)}) == 3
    assert reaches(first, second)
    assert reaches(second, first)
    assert not reaches(stranger, first)
    assert not reaches(first, stranger)


def an_address_comes_and_goes(cloud: LocalCloud, machine: dict[str, Any], shell: Shell) -> None:
    boot = "cat /proc/sys/kernel/random/boot_id"
    ips = f"/instances/{machine['uuid']}/ips"
    before = shell.run(boot)
    answer = cloud.api.post(ips)
    cloud.completed(answer)
    added = Shell(shell.key, shell.user, answer.json()["ip_address"], shell.port)
    assert added.run(boot) == before
    open_periods = "select count(*) from address_usage_periods where ended_at is null and instance_id = %s"
    assert cloud.one(open_periods, machine["uuid"]) == 1

    cloud.completed(cloud.api.delete(f"{ips}/{added.address}"))
    assert shell.run(boot) == before
    assert shell.run("ls /sys/class/net").split() == ["eth0", "eth1", "lo"]
    eventually(lambda: added.attempt("true").returncode != 0, PATIENCE)
    assert cloud.one(open_periods, machine["uuid"]) == 0
