import asyncio
import errno
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from bluelobster.db import postgres_child
from bluelobster.db.data_directory import DataDirectory
from bluelobster.db.embedded import DataDirectoryInUse, EmbeddedPostgres, EmbeddedPostgresError

OWNER = Path(__file__).with_name("owner.py")
SRC = Path(__file__).parents[2] / "src"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cluster is that the tests have in turn."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def name() -> str:
    return "pg"


@pytest.fixture
def data_dir(home: Path, tmp_path: Path, name: str) -> Iterator[Path]:
    """A data directory with a cluster, which is moved there and back: to copy one takes three times as long as to start
    a server and to stop it."""
    if not (home / "cluster").exists():
        asyncio.run(make_cluster(home))
    folder = tmp_path / name
    folder.mkdir()
    (home / "cluster").rename(folder / "cluster")
    yield folder
    if not served(folder):
        (folder / "cluster").rename(home / "cluster")


async def make_cluster(folder: Path) -> None:
    async with EmbeddedPostgres(folder, for_tests=True):
        pass


def served(folder: Path) -> bool:
    """Whether a test that failed has left a server on its cluster."""
    with (folder / "server.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def owned(folder: Path, *prefix: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """Another process that owns a server on the folder, and where that server is."""
    paths = os.pathsep.join([str(SRC), *(entry for entry in sys.path if entry.endswith("site-packages"))])
    with subprocess.Popen(
        [*prefix, sys.executable, str(OWNER), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    ) as owner:
        try:
            assert owner.stdout is not None
            line = owner.stdout.readline()
            assert line, f"the owner ended with {owner.wait()}"
            server = json.loads(line)
            yield owner, server
            owner.kill()
            wait_for_end(server["pid"])
        finally:
            owner.kill()


def wait_for_end(pid: int, seconds: float = 20) -> None:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([watched], [], [], seconds)[0], f"process {pid} still runs"
    finally:
        os.close(watched)


def write(dsn: str) -> UUID:
    """A row that must not be lost."""
    row = uuid4()
    with psycopg.connect(dsn, options="-c synchronous_commit=on") as connection:
        connection.execute("create table if not exists kept (id uuid)")
        connection.execute("insert into kept values (%s)", [row])
    return row


def has(dsn: str, *rows: UUID) -> bool:
    with psycopg.connect(dsn) as connection:
        found = connection.execute("select count(*) from kept where id = any(%s)", [list(rows)]).fetchone()
    return found == (len(rows),)


async def test_a_new_server_is_ours_alone_and_keeps_its_data_over_restarts(tmp_path: Path) -> None:
    """Where one was begun before and not completed."""
    folder = tmp_path / "pg"
    aside = folder / "cluster.new"
    aside.mkdir(mode=0o755, parents=True)
    (aside / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(folder)
    await server.start()
    assert not aside.exists()
    only_we_reach(folder)
    first = write(server.dsn)
    await server.stop()
    assert server.pid is None
    await server.start()
    assert has(server.dsn, first, write(server.dsn))
    await server.stop()


def only_we_reach(folder: Path) -> None:
    for name in (".", "cluster", "socket", "postgres.log", "owner.lock", "server.lock"):
        found = (folder / name).stat()
        assert found.st_mode & 0o077 == 0, name
        # Where root may not make namespaces, the cluster is nobody's; the folder around it keeps nobody out.
        assert found.st_uid == os.geteuid() or (name, found.st_uid) == ("cluster", postgres_child.NOBODY)


async def test_start_and_stop_may_be_repeated(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, for_tests=True)
    await server.start()
    first = server.pid
    await server.start()
    assert server.pid == first
    await server.stop()
    await server.stop()
    with pytest.raises(EmbeddedPostgresError, match="not running"):
        _ = server.dsn
    with pytest.raises(EmbeddedPostgresError, match="not running"):
        await server.wait()


async def test_it_is_durable_unless_for_tests_and_never_on_tcp(data_dir: Path) -> None:
    def settings(server: EmbeddedPostgres) -> dict[str, str]:
        with psycopg.connect(server.dsn) as connection:
            return dict(connection.execute("select name, setting from pg_settings").fetchall())

    async with EmbeddedPostgres(data_dir) as server:
        found = settings(server)
        assert (found["fsync"], found["synchronous_commit"], found["full_page_writes"]) == ("on", "on", "on")
        assert (found["listen_addresses"], found["data_checksums"], found["TimeZone"]) == ("", "on", "UTC")
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        found = settings(server)
        assert (found["fsync"], found["synchronous_commit"], found["full_page_writes"]) == ("off", "off", "off")


def test_the_server_ends_when_its_owner_is_killed_and_recovers(data_dir: Path) -> None:
    async def start_at_once() -> bool:
        async with EmbeddedPostgres(data_dir, for_tests=True) as again:
            return has(again.dsn, row)

    with owned(data_dir) as (owner, server):
        row = write(server["dsn"])
        owner.kill()
        owner.wait()
        assert asyncio.run(start_at_once())


def test_nobody_needs_to_start_again_for_the_orphan_to_end(data_dir: Path) -> None:
    with owned(data_dir) as (owner, server):
        owner.kill()
        wait_for_end(server["pid"])


async def test_a_killed_server_is_noticed_and_recovers(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, for_tests=True)
    await server.start()
    row = write(server.dsn)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(EmbeddedPostgresError, match="ended unexpectedly"):
        await asyncio.wait_for(server.wait(), 20)
    await server.start()
    assert has(server.dsn, row)
    await server.stop()


async def test_a_stale_pid_file_is_not_believed(data_dir: Path) -> None:
    (data_dir / "cluster" / "postmaster.pid").write_text(
        f"{os.getppid()}\n{data_dir}\n0\n5432\n{data_dir}\n\n\nready   \n"
    )
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        write(server.dsn)


async def test_a_second_owner_is_told_who_the_first_is(data_dir: Path) -> None:
    with owned(data_dir) as (owner, server):
        with pytest.raises(DataDirectoryInUse, match=rf"in use by another process \(pid {owner.pid}\)"):
            await EmbeddedPostgres(data_dir).start()
        write(server["dsn"])


@pytest.mark.parametrize("name", ["""with space, "quotes", 100% and 'ümlaut'"""])
async def test_any_path_will_do(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        assert has(server.dsn, write(server.dsn))


@pytest.mark.parametrize("name", ["x" * 150])
async def test_a_short_socket_folder_that_others_enter_is_refused(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        assert has(server.dsn, write(server.dsn))
        with psycopg.connect(server.dsn) as connection:
            short = Path(connection.info.host)
    assert not short.exists()
    short.mkdir()
    short.chmod(0o755)
    with pytest.raises(EmbeddedPostgresError, match="not ours alone"):
        await EmbeddedPostgres(data_dir, for_tests=True).start()
    short.rmdir()


async def test_a_broken_cluster_is_explained_with_the_log(data_dir: Path) -> None:
    """And served once it is whole."""
    with (
        broken(data_dir),
        pytest.raises(EmbeddedPostgresError, match=r"did not start.*postgres\.log:\n(.|\n)*pg_control"),
    ):
        await EmbeddedPostgres(data_dir, for_tests=True).start()
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        write(server.dsn)


@contextmanager
def broken(data_dir: Path) -> Iterator[None]:
    """Without the file that PostgreSQL begins with."""
    control = data_dir / "cluster" / "global" / "pg_control"
    aside = control.rename(data_dir / "pg_control")
    try:
        yield
    finally:
        aside.rename(control)


async def test_a_full_disk_is_named(data_dir: Path) -> None:
    (data_dir / "postgres.log").write_text('FATAL:  could not write file "x": No space left on device\n')
    with broken(data_dir), pytest.raises(EmbeddedPostgresError, match=r"the disk that holds .* is full"):
        await EmbeddedPostgres(data_dir, for_tests=True).start()


async def test_a_disk_that_became_read_only_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_APPEND and not flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, mode)

    opened = os.open
    monkeypatch.setattr("bluelobster.db.data_directory.os.open", refuse)
    with broken(data_dir), pytest.raises(EmbeddedPostgresError, match="has become read-only"):
        await EmbeddedPostgres(data_dir, for_tests=True).start()


def test_a_log_that_is_gone_hides_no_failure(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory" in str(DataDirectory(tmp_path).failure("PostgreSQL ended"))


async def test_a_user_without_a_name_is_told_so(data_dir: Path) -> None:
    (data_dir / "postgres.log").write_text("initdb: could not look up effective user ID 12345: user does not exist\n")
    with broken(data_dir), pytest.raises(EmbeddedPostgresError, match=r"needs a name for user \d+, and this system"):
        await EmbeddedPostgres(data_dir, for_tests=True).start()


async def test_a_cluster_of_another_version_is_explained(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedPostgresError, match="version 12, which made this cluster, was not found"):
        await EmbeddedPostgres(tmp_path).start()


async def test_a_cluster_that_does_not_say_its_version_is_explained(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "PG_VERSION").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="PG_VERSION does not say which PostgreSQL made the database"):
        await EmbeddedPostgres(tmp_path).start()


async def test_a_data_directory_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match=r"cannot start in .*Not a directory"):
        await EmbeddedPostgres(tmp_path / "file" / "pg").start()


def test_it_starts_from_the_main_thread_only(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def start() -> None:
        try:
            asyncio.run(EmbeddedPostgres(tmp_path / "pg").start())
        except EmbeddedPostgresError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert [str(error) for error in errors] == ["PostgreSQL must be started from the main thread"]


async def test_a_large_log_is_set_aside(data_dir: Path) -> None:
    (data_dir / "postgres.log").write_bytes(b"." * 5_000_000)
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        assert server.log.stat().st_size < 100_000
    assert (data_dir / "postgres.log.1").stat().st_size == 5_000_000


async def test_rows_do_not_appear_in_the_log(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("create table keys (secret text not null primary key, other int not null)")
            with pytest.raises(psycopg.errors.NotNullViolation, match="hush"):
                connection.execute("insert into keys values (%s, null)", ["hush"])
        assert "null value in column" in server.log.read_text()
        assert "hush" not in server.log.read_text()


@as_root
def test_it_runs_for_an_ordinary_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    reach = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    reach.append("--securebits=+no_setuid_fixup")  # access(2) asks for the capabilities as well
    with owned(tmp_path / "pg", *ordinary, *reach) as (_, server):
        write(server["dsn"])
        assert (tmp_path / "pg" / "cluster").stat().st_uid == postgres_child.NOBODY
        assert Path("/proc", str(server["pid"])).stat().st_uid == postgres_child.NOBODY


@as_root
async def test_root_serves_a_cluster_of_another_user_as_that_user(data_dir: Path) -> None:
    postgres_child.hand_over(data_dir / "cluster", 4711)
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        write(server.dsn)
        assert Path("/proc", str(server.pid)).stat().st_uid == 4711
    assert (data_dir / "cluster" / "postgresql.conf").stat().st_uid == 4711
    postgres_child.hand_over(data_dir / "cluster", 0)


@as_root
def test_root_without_namespaces_hands_the_cluster_over(tmp_path: Path) -> None:
    cluster = tmp_path / "cluster"
    (cluster / "global").mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    read = "import os, sys; print(os.getuid(), open(os.path.join(sys.argv[1], 'PG_VERSION')).read())"
    assert as_nobody(read, cluster, cluster).split() == [str(postgres_child.NOBODY), "15"]
    assert (cluster / "global").stat().st_uid == postgres_child.NOBODY


@as_root
def test_root_without_namespaces_has_programs_where_only_root_may_go(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = closed / "program"
    program.write_text("#!/bin/sh")
    program.chmod(0o755)
    answer = as_nobody("import os, sys; print(os.getuid(), os.access(sys.argv[1], os.X_OK))", tmp_path, program)
    assert answer.split() == [str(postgres_child.NOBODY), "True"]


@as_root
def test_root_has_programs_where_only_somebody_else_may_go(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = closed / "program"
    program.write_text(f"#!/bin/sh\nid -u >{tmp_path}/out")
    program.chmod(0o755)
    os.chown(closed, 4711, 4711)
    command = [sys.executable, "-I", postgres_child.__file__, str(os.getpid()), str(tmp_path), str(program)]
    subprocess.run(command, check=True)
    assert (tmp_path / "out").read_text().strip() == str(postgres_child.NOBODY)


def as_nobody(script: str, directory: Path, *arguments: Path) -> str:
    """What a script says that runs as PostgreSQL's programs do where root may not make namespaces."""
    without = """if True:
        import bluelobster.db.postgres_child as child, sys
        child.namespace_works = lambda *_: False
        child.main(sys.argv[1:])"""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(
        [sys.executable, "-c", without, str(os.getpid()), str(directory), *command],
        env=os.environ | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_child_whose_parent_is_gone_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-I", postgres_child.__file__, "1", str(tmp_path), "/bin/echo", "started"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "is gone" in answer.stderr
