"""Bring a database to the schema that this code needs."""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config

MIGRATIONS = Path(__file__).with_name("migrations")
LOCK = 7_013_220_941  # one migration at a time, whoever starts first


def migrate(dsn: str) -> None:
    """Apply what is missing; several processes may try at once. Nothing is left half applied."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sqlalchemy.create_engine(sqlalchemy_url(dsn), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({LOCK})")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def sqlalchemy_url(dsn: str) -> str:
    """The same address with the driver named the way SQLAlchemy wants it."""
    for scheme in ("postgresql://", "postgres://"):
        if dsn.startswith(scheme):
            return "postgresql+psycopg://" + dsn.removeprefix(scheme)
    raise ValueError("the database address must start with postgresql://")
