"""Apply the migrations. Whoever imports this imports Alembic, which costs half a second of a start."""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import ArgumentError, DBAPIError

from bluelobster.db.migrate import CannotMigrate

LOCK = 7_013_220_941  # one migration at a time, whoever starts first


def upgrade(dsn: str, migrations: Path) -> None:
    """All that are missing, in one transaction. Raises CannotMigrate."""
    config = Config()
    config.set_main_option("script_location", str(migrations))
    try:
        engine = sqlalchemy.create_engine(sqlalchemy_url(dsn), poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({LOCK})")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise CannotMigrate(
            f"the database belongs to a newer version of this program: start that one ({error})"
        ) from error
    except DBAPIError as error:
        raise CannotMigrate(f"cannot reach the database: {str(error.orig).strip()}") from error
    except (ArgumentError, ValueError) as error:
        raise CannotMigrate(f"the database's address cannot be used: {error}") from error


def sqlalchemy_url(dsn: str) -> str:
    """The same address with the driver named the way SQLAlchemy wants it."""
    for scheme in ("postgresql://", "postgres://"):
        if dsn.startswith(scheme):
            return "postgresql+psycopg://" + dsn.removeprefix(scheme)
    raise ValueError("the database address must start with postgresql://")
