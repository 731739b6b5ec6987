"""One PostgreSQL for the whole run, one database and one cloud a test."""

import gc

gc.disable()  # while modules are imported: what an import makes stays

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from coverage import Coverage
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from bluelobster.db.embedded import EmbeddedPostgres
from bluelobster.db.migrate import migrate
from cloud import TestCloud, running_cloud
from e2e.shared_cloud import end_shared_cloud

gc.enable()

TEMPLATE = "bluelobster_template"
STORIES = ("tests/e2e/", "tests/faults/", "tests/property/", "tests/contract/test_schemathesis.py")
TOGETHER = ("tests/e2e/test_", "tests/wrapper/test_wrapper.py")
FOLDERS_TOGETHER = ("tests/e2e/networks/",)
TRACE_CHILDREN = "COVERAGE_PROCESS_CONFIG"
ROOM = 2 << 30
ADDRESS = "BLUELOBSTER_TEST_SERVER"
CLOUD = "BLUELOBSTER_TEST_CLOUD"
server = pytest.StashKey[tuple[EmbeddedPostgres, Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the workers starts the server, with a migrated database to copy."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in a shell's background job, and then for all that the tests start, too: no Ctrl-C would end it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    folder = Path(tempfile.mkdtemp(prefix="bluelobster-test-", dir=memory()))
    postgres = EmbeddedPostgres(folder, for_tests=True)
    asyncio.run(postgres.start())
    config.stash[server] = (postgres, folder)
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(f"create database {TEMPLATE}")
    migrate(postgres.dsn_of(TEMPLATE))
    os.environ[ADDRESS] = postgres.dsn_of("{name}")
    os.environ[CLOUD] = tempfile.mkdtemp(prefix="bluelobster-cloud-")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What the cloud of the run leaves behind fails the run."""
    if server not in session.config.stash:
        return
    folder = Path(os.environ[CLOUD])
    for problem in end_shared_cloud(folder):
        print(f"\nAfter the shared cloud, {problem}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if session.exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(folder)
    else:
        print(f"\nThe shared cloud's logs are in {folder}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if server in config.stash:
        postgres, folder = config.stash[server]
        asyncio.run(postgres.stop())
        shutil.rmtree(folder, ignore_errors=True)


def memory() -> Path | None:
    """A place in memory, where there is one with room: a database is copied there in a tenth of the time."""
    folder = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    roomy = folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ROOM
    return folder if roomy else None


def dsn_of(name: str) -> str:
    return os.environ[ADDRESS].replace("%7Bname%7D", name)


@pytest.fixture
def database() -> Iterator[str]:
    """The address of a database of this test's own, migrated and empty."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(dsn_of("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
        yield dsn_of(name)
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
async def cloud(database: str, tmp_path: Path) -> AsyncIterator[TestCloud]:
    async with running_cloud(database, tmp_path) as running:
        yield running


@pytest.fixture
async def idle_cloud(database: str, tmp_path: Path) -> AsyncIterator[TestCloud]:
    """A cloud without a worker: what is asked for stays queued."""
    async with running_cloud(database, tmp_path, worker=False) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What runs lines that other tests have measured does without the tracer, in two thirds of the time."""
    tracer = Coverage.current() if item.nodeid.startswith(STORIES) or is_a_further_case(item) else None
    if tracer is None:
        return (yield)
    setting = os.environ.pop(TRACE_CHILDREN, None)
    tracer.stop()
    try:
        return (yield)
    finally:
        tracer.start()
        if setting is not None:
            os.environ[TRACE_CHILDREN] = setting


def is_a_further_case(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and hasattr(item, "callspec") and any(item.callspec.indices.values())


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Every test goes to the worker that is free, but those that share a machine or an installation stay together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(TOGETHER):
            return file
        return next((folder for folder in FOLDERS_TOGETHER if file.startswith(folder)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return Together(config, log)


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: those tests mostly wait, and the last one to begin decides when the run ends."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None and item.get_closest_marker("e2e") is None)
