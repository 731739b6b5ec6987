"""Bring a database to the schema that this code needs."""

from pathlib import Path

import psycopg

MIGRATIONS = Path(__file__).with_name("migrations")
HEAD = max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


class CannotMigrate(Exception):
    """The database cannot be brought up to date; the text says why."""


def migrate(dsn: str) -> None:
    """Apply what is missing; several processes may try at once. Nothing is left half applied. Raises CannotMigrate."""
    if not is_current(dsn):
        # Almost every start finds all there, and only who needs Alembic pays for it.
        from bluelobster.db.upgrade import upgrade  # noqa: PLC0415

        upgrade(dsn, MIGRATIONS)


def is_current(dsn: str) -> bool:
    """Whether the last migration is there; not when that cannot be told, which the attempt to apply it explains."""
    try:
        with psycopg.connect(dsn) as connection:
            row = connection.execute("select version_num from alembic_version").fetchone()
    except psycopg.Error:
        return False
    return row == (HEAD,)
