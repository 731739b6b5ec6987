"""The operator's command line against a database of each test's own, and one node with simulated guests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from admin.place import FEW_RIGHTS, NO_REMOVAL
from admin.shell import Shell
from bluelobster.access.sealing import new_key
from pvelocal.gpus import GpuMapping
from pvelocal.machine import Capacity
from pvelocal.node import NodeSettings
from pvelocal.running import RunningNode, running_node
from pvelocal.simulated import SimulatedHypervisor
from pvelocal.storage import Storage


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """It lives in a thread: each command has an event loop of its own."""
    data = tmp_path_factory.mktemp("node")
    storages = (
        Storage("local", data),
        Storage("isos", data / "isos", content=("images", "iso")),
        Storage("images", data / "images-only", content=("images", "import")),
    )
    gpus = (GpuMapping("a4000-0", "A4000"), GpuMapping("a4000-1", "A4000"))
    settings = NodeSettings(data, storages=storages, gpus=gpus, capacity=Capacity(cores=8, memory_gb=64, disk_gb=1000))
    running = running_node(settings, SimulatedHypervisor(data / "run"), tokens=(FEW_RIGHTS, NO_REMOVAL))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running) as node:
        yield node


@pytest.fixture
def shell(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.setenv("BLUELOBSTER_DATABASE_URL", database)
    monkeypatch.setenv("BLUELOBSTER_SECRET_KEY", new_key())
    monkeypatch.chdir(tmp_path)
    return Shell()
