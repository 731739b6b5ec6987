"""A PostgreSQL server of our own: made on first use, reached by a unix socket only, gone when we are gone."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from bluelobster.db.data_directory import DataDirectory, DataDirectoryInUse, EmbeddedPostgresError
from bluelobster.db.postgres_binaries import Binaries, NoPostgres, find_binaries

__all__ = ["DATABASE", "USER", "DataDirectoryInUse", "EmbeddedPostgres", "EmbeddedPostgresError"]

USER = "bluelobster"
DATABASE = "bluelobster"

_START_SECONDS = 120.0
_FAST_STOP_SECONDS = 20.0
_IMMEDIATE_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.01
_STATUS_LINE = 7

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    # The details of an error quote the row that caused it, secrets included.
    "log_error_verbosity": "terse",
}
_SETTINGS_FOR_TESTS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
}


class EmbeddedPostgres:
    """A server whose cluster, log and locks live in `data_dir`; an async context manager, or `start` and `stop`.

    It must be started from the main thread: the kernel ends the server when the thread that started it ends.
    Nothing but processes of the same user reach it. `for_tests` trades durability for speed.
    """

    def __init__(self, data_dir: Path, *, for_tests: bool = False) -> None:
        self._directory = DataDirectory(data_dir)
        self._for_tests = for_tests
        self._server_lock = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_folder: Path | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def dsn(self) -> str:
        """The URL of our database, for psycopg and SQLAlchemy alike."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """The URL of any database of this server."""
        if self._socket_folder is None:
            raise EmbeddedPostgresError("PostgreSQL is not running")
        return f"postgresql://{USER}@/{quote(database, safe='')}?host={quote(str(self._socket_folder), safe='')}"

    @property
    def log(self) -> Path:
        """What the server and its programs wrote."""
        return self._directory.log

    @property
    def pid(self) -> int | None:
        """The server's process while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> None:
        """Starts the server, making the cluster on first use and recovering from any crash.

        Raises DataDirectoryInUse, EmbeddedPostgresError.
        """
        if self.pid is not None:
            return
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedPostgresError("PostgreSQL must be started from the main thread")
        self._release()
        try:
            self._server_lock = await self._directory.take()
            binaries = self._binaries()
            if not self._directory.cluster.exists():
                await self._make_cluster(binaries)
            await self._start_server(binaries)
        except OSError as error:
            await self.stop()
            raise EmbeddedPostgresError(f"PostgreSQL cannot start in {self._directory.path}: {error}") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends the server: sessions are cut, everything committed is kept."""
        if self._process is not None:
            await _end(self._process)
        self._release()

    async def wait(self) -> None:
        """Returns only by raising EmbeddedPostgresError, when the server ended without `stop`."""
        if self._process is None:
            raise EmbeddedPostgresError("PostgreSQL is not running")
        await _exit_of(self._process)
        raise self._directory.failure("PostgreSQL ended unexpectedly")

    def _binaries(self) -> Binaries:
        cluster = self._directory.cluster
        try:
            return find_binaries(_version_of(cluster) if cluster.exists() else None)
        except NoPostgres as error:
            raise EmbeddedPostgresError(f"cannot serve {cluster}: {error}") from error

    async def _make_cluster(self, binaries: Binaries) -> None:
        """Builds the cluster aside and renames it last, so that a half-made one is never taken for a whole one."""
        aside = self._directory.path / "cluster.new"
        if aside.exists():
            shutil.rmtree(aside)
        aside.mkdir(mode=0o700)
        initdb = [str(binaries.initdb), "--pgdata", str(aside), "--username", USER, "--auth", "trust"]
        initdb += ["--encoding", "UTF8", "--locale", "C", "--data-checksums", "--no-instructions"]
        create = [str(binaries.postgres), "--single", "-D", str(aside), "postgres"]
        if self._for_tests:
            initdb.append("--no-sync")
            create.insert(2, "-F")
        await self._run(aside, initdb)
        await self._run(aside, create, f'create database "{DATABASE}"\n')
        aside.rename(self._directory.cluster)
        self._directory.sync()

    async def _run(self, directory: Path, command: Sequence[str], given: str = "") -> None:
        with tempfile.TemporaryFile() as answers:
            answers.write(given.encode())
            answers.seek(0)
            process = self._spawn(directory, command, answers.fileno())
            try:
                status = await _exit_of(process)
            finally:
                await _end(process)
        if status != 0:
            raise self._directory.failure(f"{Path(command[0]).name} failed (status {status})")

    async def _start_server(self, binaries: Binaries) -> None:
        cluster = self._directory.cluster
        # We hold the lock that every process of an earlier server would hold: this file is stale, whatever pid it says.
        (cluster / "postmaster.pid").unlink(missing_ok=True)
        socket_folder = self._directory.socket_folder()
        settings = _SETTINGS | {"unix_socket_directories": _quoted(socket_folder)}
        settings |= _SETTINGS_FOR_TESTS if self._for_tests else {}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = self._spawn(cluster, [str(binaries.postgres), "-D", str(cluster), *options])
        deadline = time.monotonic() + _START_SECONDS
        while not _accepts_connections(cluster, self._process.pid):
            if self._process.poll() is not None:
                raise self._directory.failure("PostgreSQL did not start")
            if time.monotonic() > deadline:
                raise self._directory.failure(f"PostgreSQL was not ready within {_START_SECONDS:.0f} s")
            await asyncio.sleep(_POLL_SECONDS)
        self._socket_folder = socket_folder

    def _spawn(
        self, directory: Path, command: Sequence[str], given: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Starts a program that owns `directory`, in a session of its own: Ctrl-C is ours to handle, in order."""
        child = [sys.executable, "-I", str(Path(__file__).with_name("postgres_child.py"))]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        log = self._directory.open_log()
        try:
            return subprocess.Popen(
                [*child, str(os.getpid()), str(directory), *command],
                stdin=given,
                stdout=log,
                stderr=log,
                env=environment | {"LC_ALL": "C"},
                cwd="/",
                start_new_session=True,
                pass_fds=[self._server_lock],
            )
        finally:
            os.close(log)

    def _release(self) -> None:
        self._process = None
        self._socket_folder = None
        self._directory.release()


def _quoted(folder: Path) -> str:
    """One entry of a list of folders, whatever characters it has."""
    return '"' + str(folder).replace('"', '""') + '"'


def _accepts_connections(cluster: Path, pid: int) -> bool:
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return lines[:1] == [str(pid)] and len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def _version_of(cluster: Path) -> int:
    """The major version that a cluster was made by; EmbeddedPostgresError where it does not say."""
    path = cluster / "PG_VERSION"
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError) as error:
        raise EmbeddedPostgresError(
            f"{path} does not say which PostgreSQL made the database: put {cluster} back from a backup"
        ) from error


async def _exit_of(process: subprocess.Popen[bytes]) -> int:
    """Waits for the end of a child without a thread."""
    if process.poll() is None:
        loop = asyncio.get_running_loop()
        exited = asyncio.Event()
        watched = os.pidfd_open(process.pid)
        loop.add_reader(watched, exited.set)
        try:
            await exited.wait()
        finally:
            loop.remove_reader(watched)
            os.close(watched)
    return process.wait()


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a PostgreSQL program, politely first. Returns when it is gone."""
    for number, seconds in ((signal.SIGINT, _FAST_STOP_SECONDS), (signal.SIGQUIT, _IMMEDIATE_STOP_SECONDS)):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            async with asyncio.timeout(seconds):
                await _exit_of(process)
        except TimeoutError:
            continue
    if process.poll() is None:
        process.kill()
        await _exit_of(process)
