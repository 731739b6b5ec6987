"""The database is brought up to date where something is missing, and left alone where nothing is."""

import click
import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from click.testing import CliRunner

from bluelobster import serve, worker
from bluelobster.access.sealing import new_key
from bluelobster.db.migrate import HEAD, MIGRATIONS, CannotMigrate, is_current, migrate


def test_the_last_file_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_database_that_is_up_to_date_is_left_alone(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluelobster.db.upgrade.upgrade", None)
    migrate(database)


@pytest.mark.own_database
def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    assert not is_current(database)
    with pytest.raises(CannotMigrate, match=r"belongs to a newer version .* '9999'"):
        migrate(database)


def test_a_database_that_is_not_there_is_said_to_be(database: str) -> None:
    with pytest.raises(CannotMigrate, match="cannot reach the database"):
        migrate(database.replace("/shared", "/missing").replace("/test", "/missing"))


@pytest.mark.parametrize("process", [serve.api, worker.command])
def test_a_process_without_its_database_says_so(
    process: click.Command, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUELOBSTER_DATABASE_URL", database.replace("/shared", "/missing"))
    monkeypatch.setenv("BLUELOBSTER_SECRET_KEY", new_key())
    # It would take pytest's handlers away for good.
    for module in (serve, worker):
        monkeypatch.setattr(module, "log_to_stderr", lambda level: None)
    ended = CliRunner().invoke(process)
    assert ended.exit_code == 1
    assert "cannot reach the database" in ended.output
    assert "Traceback" not in ended.output
