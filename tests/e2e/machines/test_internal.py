"""Networks between real machines: one more address without a reboot, and who reaches whom inside."""

import pytest

from e2e.local_cloud import LocalCloud, Shell, eventually
from e2e.machines.guest import Guest

pytestmark = pytest.mark.e2e
PATIENCE = 30.0


def test_machines_of_an_account_reach_each_other_and_nobody_else_s(
    guests: tuple[Guest, Guest], stranger: Guest
) -> None:
    first, second = guests
    assert len({each.internal for each in (first, second, stranger)}) == 3
    assert pings(first, second)
    assert pings(second, first)
    assert not pings(stranger, first)
    assert not pings(first, stranger)


def pings(here: Guest, there: Guest) -> bool:
    return here.shell.attempt(f"sudo ping -c 1 -W 2 {there.internal}").returncode == 0


def test_an_address_comes_and_goes_without_a_reboot(cloud: LocalCloud, guests: tuple[Guest, Guest]) -> None:
    guest, _ = guests
    shell = guest.shell
    boot = "cat /proc/sys/kernel/random/boot_id"
    ips = f"{guest.path}/ips"
    before = shell.run(boot)
    answer = cloud.api.post(ips)
    cloud.completed(answer)
    added = Shell(shell.key, shell.user, answer.json()["ip_address"], shell.port)
    assert added.run(boot) == before
    open_periods = "select count(*) from address_usage_periods where ended_at is null and instance_id = %s"
    assert cloud.one(open_periods, guest.id) == 1

    cloud.completed(cloud.api.delete(f"{ips}/{added.address}"))
    assert shell.run(boot) == before
    assert shell.run("ls /sys/class/net").split() == ["eth0", "eth1", "lo"]
    eventually(lambda: added.attempt("true").returncode != 0, PATIENCE)
    assert cloud.one(open_periods, guest.id) == 0
