"""Accounts, catalog, hosts, addresses, instances, tasks and the durable engine."""

from pathlib import Path

import absurdctl
from alembic import op

revision = "0001"
down_revision = None

ABSURD_VERSION = "0.5.1"


def upgrade() -> None:
    if absurdctl.ABSURD_SCHEMA_TARGET_VERSION != ABSURD_VERSION:
        raise RuntimeError(
            f"this migration installs Absurd {ABSURD_VERSION}, "
            f"but absurdctl brings {absurdctl.ABSURD_SCHEMA_TARGET_VERSION}"
        )
    connection = op.get_bind()
    connection.exec_driver_sql(absurdctl.BUNDLED_SCHEMA_SQL.replace("%", "%%"))
    connection.exec_driver_sql("select absurd.create_queue('operations')")
    connection.exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())
