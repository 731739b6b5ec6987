from collections.abc import Iterator
from pathlib import Path

import pytest

from bluelobster_client import Client
from bluelobster_client.clock import Clock
from client.fake_api import FakeApi
from client.shell import Shell


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as running:
        yield running


@pytest.fixture
def client(api: FakeApi) -> Iterator[Client]:
    with Client(api.url, "bl_key", clock=Clock(sleep=lambda _: None)) as connected:
        yield connected


@pytest.fixture
def shell(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A user with a key for the API, an empty home, and no local cloud."""
    for name in ("BLUELOBSTER_API_URL", "BLUELOBSTER_API_KEY", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    user = Shell(home=home, url=api.url, key="bl_key", data=tmp_path / "data")
    yield user
    user.close()
