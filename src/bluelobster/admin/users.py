"""People who sign in."""

import sys

import click
from pydantic import SecretStr, ValidationError

from bluelobster.access.permissions import ROLES, Role
from bluelobster.accounts.welcome import NewUserRequest, welcome
from bluelobster.admin.accounts import day
from bluelobster.admin.session import Wrong, run, show
from bluelobster.db.pool import Tx, transaction
from bluelobster.http.validation import validation_body
from bluelobster.parts import Parts
from bluelobster.users.accept import new_hash
from bluelobster.users.change_user import UserRequest, change_user, give_password, let_set_password
from bluelobster.users.user import User, find_by_email, find_user
from bluelobster.users.view import view_users

FROM_STDIN = click.option("--password-stdin", is_flag=True, help="Set the password that is on the standard input")


@click.group()
def user() -> None:
    """People who sign in."""


@user.command("add")
@click.argument("email")
@click.option("--account", required=True, help="The account that they act in")
@click.option("--role", type=click.Choice(ROLES), default="owner", show_default=True, help="What they may do there")
@FROM_STDIN
def add_user(email: str, account: str, role: Role, password_stdin: bool) -> None:
    """Let somebody into an account, and print the token with which they set their password, if they have none yet."""
    wanted = wish(email, account, role)
    password = password_of_stdin() if password_stdin else None

    async def action(parts: Parts) -> None:
        now = parts.clock.now()
        chosen = await new_hash(parts.passwords, password, email) if password else None
        async with transaction(parts.pool) as tx:
            made = await welcome(tx, wanted, None, now)
            if chosen is not None:
                if made.user.has_password:
                    raise Wrong(f"{email} has a password already; leave --password-stdin out")
                await give_password(tx, made.user.id, chosen, now)
            elif made.password_token is not None:
                click.echo(made.password_token)
                return
        click.echo(f"{email} is in {account}")

    run(action)


@user.command("list")
def show_users() -> None:
    """Show everybody who signs in."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            users = await view_users(connection, "order by lower(u.email)", {})
        show(
            ("e-mail", "accounts", "since", "verified", "disabled", "last seen"),
            [
                (
                    each.email,
                    ", ".join(each.accounts) or "-",
                    day(each.created_at),
                    day(each.verified_at),
                    day(each.disabled_at),
                    day(each.last_seen_at),
                )
                for each in users
            ],
        )

    run(action)


@user.command("disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """End somebody's sessions, and let them have no other."""
    change(email, disabled=True)


@user.command("enable")
@click.argument("email")
def enable_user(email: str) -> None:
    """Let somebody in again."""
    change(email, disabled=False)


@user.command("reset-password")
@click.argument("email")
@FROM_STDIN
def reset_password(email: str, password_stdin: bool) -> None:
    """Print a token with which somebody sets another password; until then the old one is good."""
    password = password_of_stdin() if password_stdin else None

    async def action(parts: Parts) -> None:
        now = parts.clock.now()
        chosen = await new_hash(parts.passwords, password, email) if password else None
        async with transaction(parts.pool) as tx:
            found = await named(tx, email)
            if chosen is not None:
                await give_password(tx, found.id, chosen, now)
                click.echo(f"{email} has another password, and is signed out everywhere")
            else:
                click.echo((await let_set_password(tx, found, now)).password_token)

    run(action)


def change(email: str, *, disabled: bool) -> None:
    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await change_user(tx, await named(tx, email), UserRequest(disabled=disabled), parts.clock.now())
        click.echo(f"{email} is {'disabled' if disabled else 'enabled'}")

    run(action)


async def named(tx: Tx, email: str) -> User:
    """The user with this address, held. Raises Wrong."""
    known = await find_by_email(tx, email)
    found = await find_user(tx, known.id, lock=True) if known else None
    if found is None:
        raise Wrong(f"there is no user {email}")
    return found


def wish(email: str, account: str, role: Role) -> NewUserRequest:
    """Raises Wrong for what can be no e-mail address."""
    try:
        return NewUserRequest(email=email, account=account, role=role)
    except ValidationError as error:
        said = validation_body([{**each, "loc": ("body", *each["loc"])} for each in error.errors()])
        raise Wrong(str(said["message"])) from error


def password_of_stdin() -> SecretStr:
    return SecretStr(sys.stdin.readline().rstrip("\r\n"))
