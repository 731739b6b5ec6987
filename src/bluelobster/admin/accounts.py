"""Accounts, their credit, and their API keys."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from uuid import UUID

import click

from bluelobster.access.accounts import create_account, find_account, is_staff
from bluelobster.access.keys import ApiKey, create_key, find_key, list_keys, revoke_key, rotate_key
from bluelobster.access.permissions import ROLES, Role
from bluelobster.accounts.account import every_account
from bluelobster.accounts.close import close, reopen
from bluelobster.admin.session import Wrong, found, run, show
from bluelobster.billing.dollars import dollars
from bluelobster.billing.ledger import credit as add_credit
from bluelobster.db.pool import Tx, transaction
from bluelobster.keys.request import MOST_HOURS
from bluelobster.parts import Parts


@click.group()
def account() -> None:
    """Who pays, and whose machines are whose."""


@account.command("add")
@click.argument("name")
@click.option("--staff", is_flag=True, help="An account of the operator's own people")
def add_account(name: str, staff: bool) -> None:
    """Add an account."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await create_account(tx, name, "staff" if staff else "customer", parts.clock.now())
        click.echo(f"account {name} added; give it a key with: bluelobster admin key add {name}")

    run(action)


@account.command("list")
def show_accounts() -> None:
    """Show all accounts and what they have in credit."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            accounts = await every_account(connection)
        show(
            ("name", "role", "credit", "since", "closed"),
            [(a.name, a.role, dollars(a.balance_cents), day(a.created_at), day(a.closed_at)) for a in accounts],
        )

    run(action)


@account.command("credit", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("amount")
@click.option("--reason", default="credited by the operator", help="What the ledger says about it")
def credit_account(name: str, amount: str, reason: str) -> None:
    """Give an account AMOUNT dollars (`25` or `25.50`; negative takes it back)."""
    cents = cents_of(amount)

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await add_credit(tx, await named(tx, name), cents, reason, parts.clock.now())
        click.echo(f"{dollars(cents)} credited to {name}" if cents > 0 else f"{dollars(-cents)} taken from {name}")

    run(action)


@account.command("close")
@click.argument("name")
def close_account(name: str) -> None:
    """Let nobody in any more: for an account that has nothing and owes nothing. Its keys are revoked."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await close(tx, await named(tx, name), parts.clock.now())
        click.echo(f"account {name} is closed")

    run(action)


@account.command("reopen")
@click.argument("name")
def reopen_account(name: str) -> None:
    """Open an account again; it needs new keys."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await reopen(tx, await named(tx, name), parts.clock.now())
        click.echo(f"account {name} is open; give it a key with: bluelobster admin key add {name}")

    run(action)


async def named(tx: Tx, name: str) -> UUID:
    """The account with this name. Raises Wrong."""
    account_id = await find_account(tx, name)
    if account_id is None:
        raise Wrong(f"there is no account {name}")
    return account_id


@click.group()
def key() -> None:
    """API keys of accounts."""


@key.command("add")
@click.argument("account_name")
@click.option("--name", default="default", help="What the key is for")
@click.option(
    "--role", type=click.Choice(ROLES), default="owner", show_default=True, help="What it may do; viewer reads"
)
@click.option("--days", type=click.IntRange(1, 3650), help="Until it expires (default: never)")
def add_key(account_name: str, name: str, role: Role, days: int | None) -> None:
    """Make a key and print it: this is the only time it can be seen."""

    async def action(parts: Parts) -> None:
        now = parts.clock.now()
        async with transaction(parts.pool) as tx:
            account_id = await named(tx, account_name)
            if role == "staff" and not await is_staff(tx, account_id):
                raise Wrong(f"{account_name} is a customer: only an account added with --staff has staff keys")
            expires_at = now + timedelta(days=days) if days else None
            click.echo(await create_key(tx, account_id, name, role, now, expires_at))

    run(action)


@key.command("list")
def show_keys() -> None:
    """Show all keys, without their secrets."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            keys = await list_keys(connection)
        now = datetime.now(UTC)
        show(
            ("prefix", "account", "name", "role", "team", "state", "last used"),
            [
                (k.prefix, k.account, k.name, k.role, k.team or "-", state_of(k.revoked_at, k.expires_at, now), used(k))
                for k in keys
            ],
        )

    run(action)


@key.command("rotate")
@click.argument("prefix")
@click.option("--overlap-hours", type=click.IntRange(0, MOST_HOURS), default=24, show_default=True)
def rotate(prefix: str, overlap_hours: int) -> None:
    """Give a key another secret and print it; the old one is good for some hours longer."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            known = await find_key(tx, prefix)
            if known is None:
                raise Wrong(f"there is no key with prefix {prefix}")
            overlap = timedelta(hours=overlap_hours)
            click.echo(await rotate_key(tx, known.id, prefix, overlap, parts.clock.now()))

    run(action)


@key.command("revoke")
@click.argument("prefix")
def revoke(prefix: str) -> None:
    """Make a key useless, by its prefix."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"key with prefix {prefix}", await revoke_key(tx, prefix, parts.clock.now()))
        click.echo(f"key {prefix} revoked")

    run(action)


def state_of(revoked_at: datetime | None, expires_at: datetime | None, now: datetime) -> str:
    if revoked_at:
        return f"revoked {revoked_at.date()}"
    if expires_at is None:
        return "valid"
    return f"expired {expires_at.date()}" if expires_at <= now else f"valid until {expires_at.date()}"


def day(moment: str | None) -> str:
    return (moment or "-").partition("T")[0]


def used(key: ApiKey) -> str:
    return f"{key.last_used_at:%Y-%m-%d %H:%M} from {key.last_used_ip or 'elsewhere'}" if key.last_used_at else "never"


def cents_of(amount: str) -> int:
    """Whole cents; Wrong for anything finer or not a number."""
    try:
        cents = Decimal(amount.removeprefix("$")) * 100
    except InvalidOperation:
        raise Wrong(f"{amount!r} is not an amount of dollars, such as 25 or 25.50") from None
    if not cents.is_finite() or cents != cents.to_integral_value() or cents == 0:
        raise Wrong(f"{amount!r} is not a whole number of cents other than zero")
    return int(cents)
