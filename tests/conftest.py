"""One PostgreSQL for the whole run, one database and one cloud a test."""

import gc

gc.disable()  # while modules are imported: what an import makes stays

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
import uvloop

from bluelobster.db.embedded import EmbeddedPostgres
from bluelobster.db.migrate import migrate
from bluelobster.db.pool import Pool
from cloud import TestCloud, running_cloud
from databases import ADDRESS, TEMPLATE, new_database, renewed_database
from e2e.shared_cloud import end_shared_cloud
from furnished import Keys, furnished_database
from kept_connections import KeptConnection
from run_folder import VARIABLE as RUN_FOLDER
from run_folder import run_folder
from side_by_side import Run, portions

gc.enable()

# What one process does after the other. Guests are slow where many of them boot at once.
TOGETHER = (
    ("tests/e2e/machines/", "tests/e2e/test_iso.py"),
    ("tests/e2e/test_machine.py", "tests/e2e/test_standing.py", "tests/pvelocal/qemu/"),
    ("tests/wrapper/test_wrapper.py",),
)
ON_ASYNCIO = ("tests/e2e/", "tests/pvelocal/qemu/", "tests/db/")
ROOM = 2 << 30
PLANNER = "BLUELOBSTER_PLANNER"  # such as "enable_hashjoin=off enable_nestloop=off": answers depend on no plan
Furnished = tuple[str, Keys | None]

server = pytest.StashKey[tuple[EmbeddedPostgres, Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """All processes of the run have one server, with a migrated database to copy."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in a shell's background job, and then for all that the tests start, too: no Ctrl-C would end it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.collectonly:
        return
    folder = Path(tempfile.mkdtemp(prefix="bluelobster-test-", dir=memory()))
    postgres = EmbeddedPostgres(folder, for_tests=True)
    asyncio.run(postgres.start())
    config.stash[server] = (postgres, folder)
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(f"create database {TEMPLATE}")
        for name, _, value in (each.partition("=") for each in os.environ.get(PLANNER, "").split()):
            connection.execute(f"alter system set {name} = {value}")
        connection.execute("select pg_reload_conf()")
    migrate(postgres.dsn_of(TEMPLATE))
    os.environ[ADDRESS] = postgres.dsn_of("{name}")
    os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="bluelobster-run-")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What the cloud of the run leaves behind fails the run."""
    if server not in session.config.stash:
        return
    folder = run_folder()
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


@pytest.fixture(scope="session")
def connections_are_kept() -> Iterator[None]:
    """From one test to the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bluelobster.db.pool.Pool", partial(Pool, connection_class=KeptConnection))
        yield
    KeptConnection.forget_all_but(set())


@pytest.fixture
def database(connections_are_kept: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database as the migrations left it."""
    if request.node.get_closest_marker("own_database"):
        with new_database() as address:
            yield address
    else:
        yield renewed_database()


@pytest.fixture
async def furnished(connections_are_kept: None, request: pytest.FixtureRequest) -> AsyncIterator[Furnished]:
    """A database to begin with, and the keys of the accounts in it."""
    if request.node.get_closest_marker("own_database"):
        with new_database() as address:
            yield address, None
    else:
        yield await furnished_database()


@pytest.fixture
async def cloud(furnished: Furnished, tmp_path: Path) -> AsyncIterator[TestCloud]:
    database, keys = furnished
    async with running_cloud(database, tmp_path, keys=keys) as running:
        yield running


@pytest.fixture
async def idle_cloud(furnished: Furnished, tmp_path: Path) -> AsyncIterator[TestCloud]:
    """A cloud without a worker: what is asked for stays queued."""
    database, keys = furnished
    async with running_cloud(database, tmp_path, keys=keys, worker=False) as running:
        yield running


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that API and workers run on, and nodes with simulated guests. Those with real ones have asyncio's; so
    has `up`, which owns PostgreSQL."""
    if item.nodeid.startswith(ON_ASYNCIO):
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--processes", type=int, default=1, metavar="N", help="run tests in N processes at once")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    options = session.config.option
    if options.processes < 2 or options.collectonly or session.testsfailed:
        return None
    Run(session, portions(session.items, TOGETHER, is_long)).go_on(options.processes)
    return True


def is_long(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("long", "e2e"))
