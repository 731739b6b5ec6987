"""Quotas: everybody's, and those of single accounts."""

from uuid import UUID

import click

from bluelobster.admin.accounts import named
from bluelobster.admin.session import Wrong, run, show
from bluelobster.db.pool import Tx, transaction
from bluelobster.parts import Parts
from bluelobster.quotas.limit import list_limits
from bluelobster.quotas.limits import HIGHEST, LimitRequest, limit
from bluelobster.quotas.quota import read_quotas

account_option = click.option("--account", "account_name", help="Of this account (default: of all that have no own)")


@click.group()
def quota() -> None:
    """How much accounts may have."""


@quota.command("list")
@account_option
def show_quotas(account_name: str | None) -> None:
    """Show everybody's limits, or what an account has and may have."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            account_id = await account_of(tx, account_name)
            if account_id is None:
                rows = [(each.name, shown(each.most)) for each in await list_limits(tx, None)]
                show(("quota", "limit"), rows)
                return
            own = {each.name for each in await list_limits(tx, account_id)}
            show(
                ("quota", "used", "limit", ""),
                [
                    (each.name, each.used, shown(each.most), "its own" if each.name in own else "")
                    for each in await read_quotas(tx, account_id)
                ],
            )

    run(action)


@quota.command("set")
@click.argument("name")
@click.argument("most", metavar="LIMIT")
@account_option
def set_quota(name: str, most: str, account_name: str | None) -> None:
    """Let accounts have at most LIMIT of NAME: a number, `none` for no limit, or `default` for an account to have no
    limit of its own.

    Names are instances, vcpus, memory_gb, gpus (of each model), gpus:A4000 (of one model), addresses and backups.
    """
    wanted = LimitRequest(default=True) if most == "default" else LimitRequest(limit=number_of(most))

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await limit(tx, await account_of(tx, account_name), name, wanted)
        click.echo(f"quota {name} of {account_name or 'everybody'}: {most}")

    run(action)


def number_of(text: str) -> int | None:
    """None for `none`. Raises Wrong."""
    if text == "none":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(HIGHEST)) and int(text) <= HIGHEST):
        raise Wrong(f"a limit is a number from 0 to {HIGHEST}, `none` or `default`")
    return int(text)


def shown(most: int | None) -> str:
    return "none" if most is None else str(most)


async def account_of(tx: Tx, name: str | None) -> UUID | None:
    return None if name is None else await named(tx, name)
