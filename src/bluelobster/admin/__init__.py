"""`bluelobster admin`: what the operator keeps in order."""

import click

from bluelobster.admin.accounts import account, key
from bluelobster.admin.catalog import gpu, region, type_
from bluelobster.admin.database import migrate_database, secret_key
from bluelobster.admin.hosts import host
from bluelobster.admin.pools import pool
from bluelobster.admin.prices import price
from bluelobster.admin.quotas import quota
from bluelobster.admin.templates import template
from bluelobster.admin.terms import terms
from bluelobster.admin.users import user


@click.group()
@click.option("--data", default=None, help="Data directory of a local `up` (default: $BLUELOBSTER_DATA, or ./data)")
@click.pass_context
def admin(context: click.Context, data: str | None) -> None:
    """Manage accounts, users, keys, money, quotas, hosts, types and templates.

    Works on the database that BLUELOBSTER_DATABASE_URL names; without it, on that of a local `up`.
    """
    context.obj = data


for command in (
    account,
    user,
    key,
    quota,
    terms,
    region,
    gpu,
    type_,
    price,
    pool,
    template,
    host,
    migrate_database,
    secret_key,
):
    admin.add_command(command)
