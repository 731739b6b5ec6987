"""Machines that all tests here have together: two of one account, and one of another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.local_cloud import NOTHING, LocalCloud, eventually, opened
from e2e.machines.guest import (
    CONNECTED,
    OTHER_PORT,
    PASSWORD,
    PORT,
    SCRIPT,
    Guest,
    ask_for_exactly,
    ask_for_one,
    launched,
)
from e2e.shared_cloud import ROOMY, SMALL
from local_guests import saying_hello

PATIENCE = 30.0


@pytest.fixture(scope="package")
def guests(cloud: LocalCloud, key: Path) -> Iterator[tuple[Guest, Guest]]:
    """Each serves on two ports; the second has the bigger disk. The tests of backups come last and end with one
    deleted and the other switched off."""
    public_key = key.with_suffix(".pub").read_text()
    asked = [ask_for_one(cloud, instance_type=each, ssh_key=public_key) for each in (SMALL, ROOMY)]
    one, other = (launched(cloud, answer, key) for answer in asked)
    for guest in (one, other):
        for port in (PORT, OTHER_PORT):
            guest.shell.run(saying_hello(port))
    eventually(lambda: one.reach(other) == other.reach(one) == CONNECTED, PATIENCE)
    yield one, other
    gone(one, other)


@pytest.fixture(scope="package")
def stranger(cloud: LocalCloud, key: Path) -> Iterator[Guest]:
    """Another account's, of exact size, which ran a script at its first boot. The tests of its console end with it
    switched off."""
    with opened(cloud.data, "staff") as others:
        registered = {"name": "mine", "public_key": key.with_suffix(".pub").read_text()}
        assert others.api.post("/ssh-keys", json=registered).status_code == 201
        more = {"name": "looked-at", "password": PASSWORD, "user_data": SCRIPT}
        guest = launched(others, ask_for_exactly(others, ssh_key_names=["mine"], **more), key)
        yield guest
        gone(guest)


def gone(*guests: Guest) -> None:
    """Deleted where no test did it, with nothing left."""
    for guest in (each for each in guests if each.cloud.api.get(each.path).status_code != 404):
        assert guest.cloud.api.delete(guest.path).json()["status"] == "success"
    assert guests[0].cloud.left_of(*(guest.id for guest in guests)) == NOTHING
