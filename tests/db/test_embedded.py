import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bluelobster.db import postgres_child
from bluelobster.db.embedded import DataDirectoryInUse, EmbeddedPostgres, EmbeddedPostgresError

OWNER = Path(__file__).with_name("owner.py")
SRC = Path(__file__).parents[2] / "src"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a new cluster, to be copied."""
    folder = tmp_path_factory.mktemp("cluster")

    async def make() -> None:
        async with EmbeddedPostgres(folder, for_tests=True):
            pass

    asyncio.run(make())
    return folder


@pytest.fixture
def data_dir(cluster: Path, tmp_path: Path) -> Path:
    shutil.copytree(cluster / "cluster", tmp_path / "pg" / "cluster")
    return tmp_path / "pg"


@contextmanager
def owned(folder: Path, *prefix: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
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
            yield owner, json.loads(line)
        finally:
            owner.kill()


def wait_for_end(pid: int, seconds: float = 20) -> None:
    watched = os.pidfd_open(pid)
    try:
        assert select.select([watched], [], [], seconds)[0], f"process {pid} still runs"
    finally:
        os.close(watched)


def write(dsn: str, number: int) -> None:
    with psycopg.connect(dsn, options="-c synchronous_commit=on") as connection:
        connection.execute("create table if not exists kept (number int)")
        connection.execute("insert into kept values (%s)", [number])


def read(dsn: str) -> list[int]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("select number from kept order by number")]


async def test_a_new_server_keeps_its_data_over_restarts(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    await server.start()
    write(server.dsn, 1)
    await server.stop()
    assert server.pid is None
    await server.start()
    write(server.dsn, 2)
    assert read(server.dsn) == [1, 2]
    await server.stop()


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


async def test_only_our_own_user_reaches_the_files(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir(mode=0o755)
    async with EmbeddedPostgres(tmp_path / "pg", for_tests=True):
        for name in (".", "cluster", "socket", "postgres.log", "owner.lock", "server.lock"):
            found = (tmp_path / "pg" / name).stat()
            assert found.st_mode & 0o077 == 0, name
            # Where root may not make namespaces, the cluster is nobody's; the folder around it keeps nobody out.
            assert found.st_uid == os.geteuid() or (name, found.st_uid) == ("cluster", postgres_child.NOBODY)


async def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    aside = tmp_path / "pg" / "cluster.new"
    aside.mkdir(parents=True)
    (aside / "PG_VERSION").write_text("18\n")
    async with EmbeddedPostgres(tmp_path / "pg", for_tests=True) as server:
        write(server.dsn, 1)
    assert not aside.exists()


def test_the_server_ends_when_its_owner_is_killed_and_recovers(data_dir: Path) -> None:
    with owned(data_dir) as (owner, server):
        write(server["dsn"], 1)
        owner.kill()
        owner.wait()

    async def start_at_once() -> list[int]:
        async with EmbeddedPostgres(data_dir, for_tests=True) as again:
            return read(again.dsn)

    assert asyncio.run(start_at_once()) == [1]


def test_nobody_needs_to_start_again_for_the_orphan_to_end(data_dir: Path) -> None:
    with owned(data_dir) as (owner, server):
        owner.kill()
        wait_for_end(int(server["pid"]))


async def test_a_killed_server_is_noticed_and_recovers(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, for_tests=True)
    await server.start()
    write(server.dsn, 1)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(EmbeddedPostgresError, match="ended unexpectedly"):
        await asyncio.wait_for(server.wait(), 20)
    await server.start()
    assert read(server.dsn) == [1]
    await server.stop()


async def test_a_stale_pid_file_is_not_believed(data_dir: Path) -> None:
    (data_dir / "cluster" / "postmaster.pid").write_text(
        f"{os.getppid()}\n{data_dir}\n0\n5432\n{data_dir}\n\n\nready   \n"
    )
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        write(server.dsn, 1)


async def test_a_second_owner_is_told_who_the_first_is(data_dir: Path) -> None:
    with owned(data_dir) as (owner, server):
        with pytest.raises(DataDirectoryInUse, match=rf"in use by another process \(pid {owner.pid}\)"):
            await EmbeddedPostgres(data_dir).start()
        write(server["dsn"], 1)


@pytest.mark.parametrize("name", ["x" * 150, """with space, "quotes", 100% and 'ümlaut'"""])
async def test_any_path_will_do(cluster: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(cluster / "cluster", tmp_path / name / "cluster")
    async with EmbeddedPostgres(tmp_path / name, for_tests=True) as server:
        write(server.dsn, 1)
        assert read(server.dsn) == [1]


async def test_a_short_socket_folder_that_others_enter_is_refused(cluster: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150)
    shutil.copytree(cluster / "cluster", folder / "cluster")
    async with EmbeddedPostgres(folder, for_tests=True) as server:
        with psycopg.connect(server.dsn) as connection:
            short = Path(connection.info.host)
    assert not short.exists()
    short.mkdir()
    short.chmod(0o755)
    with pytest.raises(EmbeddedPostgresError, match="not ours alone"):
        await EmbeddedPostgres(folder, for_tests=True).start()
    short.rmdir()


async def test_a_broken_cluster_is_explained_with_the_log(data_dir: Path) -> None:
    (data_dir / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedPostgresError, match=r"did not start.*postgres\.log:\n(.|\n)*pg_control"):
        await EmbeddedPostgres(data_dir, for_tests=True).start()
    async with EmbeddedPostgres(data_dir.with_name("other"), for_tests=True) as server:
        write(server.dsn, 1)


async def test_a_full_disk_is_named(data_dir: Path) -> None:
    (data_dir / "postgres.log").write_text('FATAL:  could not write file "x": No space left on device\n')
    (data_dir / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedPostgresError, match=r"the disk that holds .* is full"):
        await EmbeddedPostgres(data_dir, for_tests=True).start()


async def test_a_cluster_of_another_version_is_explained(data_dir: Path) -> None:
    (data_dir / "cluster" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedPostgresError, match="version 12, which made this cluster, was not found"):
        await EmbeddedPostgres(data_dir).start()


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
    with owned(tmp_path / "pg", *ordinary, *reach) as (_, server):
        write(server["dsn"], 1)
        assert (tmp_path / "pg" / "cluster").stat().st_uid == postgres_child.NOBODY
        assert Path("/proc", str(server["pid"])).stat().st_uid == postgres_child.NOBODY


@as_root
async def test_root_serves_a_cluster_of_another_user_as_that_user(data_dir: Path) -> None:
    postgres_child.hand_over(data_dir / "cluster", 4711)
    async with EmbeddedPostgres(data_dir, for_tests=True) as server:
        write(server.dsn, 1)
        assert Path("/proc", str(server.pid)).stat().st_uid == 4711
    assert (data_dir / "cluster" / "postgresql.conf").stat().st_uid == 4711


@as_root
def test_root_without_namespaces_hands_the_cluster_over(data_dir: Path) -> None:
    without = "import bluelobster.db.postgres_child as c, sys; c.namespace_works = lambda: False; c.main(sys.argv[1:])"
    arguments = [str(os.getpid()), str(data_dir / "cluster"), "/bin/sh", "-c", 'id -u; cat "$0"/PG_VERSION']
    answer = subprocess.run(
        [sys.executable, "-c", without, *arguments, str(data_dir / "cluster")],
        env=os.environ | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split()[0] == str(postgres_child.NOBODY)
    assert (data_dir / "cluster" / "global").stat().st_uid == postgres_child.NOBODY


def test_a_child_whose_parent_is_gone_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-I", postgres_child.__file__, "1", str(tmp_path), "/bin/echo", "started"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "is gone" in answer.stderr
