"""What all user commands share: the options for the API, and errors that a newcomer understands."""

import functools
import os
from collections.abc import Callable
from typing import Any, NoReturn

import click

from bluelobster_client.cli.explain import explain
from bluelobster_client.cli.stop import EXIT_INTERRUPTED, Interrupted, Stop
from bluelobster_client.cli.target import find_target
from bluelobster_client.cli.terminal import clean, replace_what_cannot_be_shown
from bluelobster_client.client import Client
from bluelobster_client.errors import BlueLobsterError


class UserCommand(click.Command):
    """Turns the client's errors and Ctrl-C into messages and exit codes."""

    def make_context(self, *args: Any, **settings: Any) -> click.Context:
        """Here options are read, and prompted for."""
        try:
            return super().make_context(*args, **settings)
        except click.Abort:
            click.echo("\nInterrupted.", err=True)
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None

    def invoke(self, ctx: click.Context) -> Any:
        replace_what_cannot_be_shown()
        try:
            return super().invoke(ctx)
        except Stop as stop:
            end(ctx, stop)
        except BlueLobsterError as error:
            options = {name for parameter in self.params for name in parameter.opts}
            end(ctx, explain(error, program(), options))
        except (KeyboardInterrupt, click.Abort):
            end(ctx, Interrupted())


def end(ctx: click.Context, stop: Stop) -> NoReturn:
    """Says why the command ends, and ends it."""
    # The terminal has just printed `^C`: begin a new line.
    start = "\n" if isinstance(stop, Interrupted) else "Error: "
    click.echo(start + "\n".join(clean(line) for line in str(stop).splitlines()), err=True)
    ctx.exit(stop.exit_code)


def program() -> str:
    """How the user called this program, for commands to copy from messages."""
    root = click.get_current_context().find_root()
    return "bluelobster" if root.parent is None and isinstance(root.command, UserCommand) else root.info_name or ""


def user_command(
    name: str, *, needs_key: bool = True, context_settings: dict[str, object] | None = None
) -> Callable[[Callable[..., None]], click.Command]:
    """Makes a function of a client and of the command's own parameters a command of this name.

    Its help is the function's docstring; `context_settings` are click's.
    """

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def run(api_url: str | None, api_key: str | None, account: str | None, **own: object) -> None:
            target = find_target(api_url, api_key, account, os.environ, program(), needs_key=needs_key)
            with Client(target.api_url, target.api_key) as client:
                function(client, **own)

        command = click.command(name, cls=UserCommand, context_settings=context_settings)(run)
        command.params.extend(API_OPTIONS)
        return command

    return decorate


API_OPTIONS = (
    click.Option(["--api-url"], metavar="URL", help="Address of the API. [env: BLUELOBSTER_API_URL]"),
    click.Option(
        ["--api-key"],
        metavar="KEY",
        help="Key for the API; better set in the environment, where others cannot see it. [env: BLUELOBSTER_API_KEY]",
    ),
    click.Option(["--account"], metavar="NAME", help="Account of the local `up` to act as. [default: its customer]"),
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's answer as JSON.")
no_wait_option = click.option("--no-wait", is_flag=True, help="Return as soon as the API has accepted the request.")
