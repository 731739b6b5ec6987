"""Alembic's entry: it runs on the connection that `bluelobster.db.upgrade` hands over."""

from alembic import context

with_connection = context.config.attributes["connection"]
context.configure(connection=with_connection, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
