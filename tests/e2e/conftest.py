"""The cloud that the tests with real guests share, and a customer's key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.local_cloud import LocalCloud, new_key
from e2e.shared_cloud import shared_cloud
from run_folder import run_folder


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """As its customer."""
    with shared_cloud(run_folder()) as running:
        yield running


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of somebody who wants to log in."""
    return new_key(tmp_path_factory.mktemp("key"))
