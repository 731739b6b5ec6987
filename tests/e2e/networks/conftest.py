"""Two machines of one account, for all who try what comes through between them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.local_cloud import NOTHING, LocalCloud, eventually
from e2e.networks.guest import CONNECTED, OTHER_PORT, PORT, Guest, ask_for_one, launched
from local_guests import saying_hello

PATIENCE = 30.0


@pytest.fixture(scope="package")
def guests(cloud: LocalCloud, key: Path) -> Iterator[tuple[Guest, Guest]]:
    """Each serves on two ports."""
    one, other = (launched(cloud, answer, key) for answer in [ask_for_one(cloud, key) for _ in range(2)])
    for guest in (one, other):
        for port in (PORT, OTHER_PORT):
            guest.shell.run(saying_hello(port))
    eventually(lambda: one.reach(other) == other.reach(one) == CONNECTED, PATIENCE)
    yield one, other
    for guest in (one, other):
        assert cloud.api.delete(f"/instances/{guest.id}").json()["status"] == "success"
    assert cloud.left_of(one.id, other.id) == NOTHING
