"""The database's schema, and the key that seals its secrets."""

from pathlib import Path

import click

from bluelobster.access.sealing import new_key
from bluelobster.admin.session import Wrong, run
from bluelobster.parts import Parts
from bluelobster.private_files import write_new_private


@click.command("migrate")
def migrate_database() -> None:
    """Bring the database to this version's schema (API and worker do so by themselves when they start)."""

    async def action(_parts: Parts) -> None:
        click.echo("the database is up to date")

    run(action)


@click.command("secret-key")
@click.argument("path", type=click.Path(path_type=Path))
def secret_key(path: Path) -> None:
    """Make a secret key and write it to PATH, readable by you alone. Keep a copy: sealed secrets need it."""
    try:
        write_new_private(path, new_key())
    except FileExistsError:
        raise Wrong(f"{path} exists already and is left as it is: secrets may be sealed with it") from None
    except OSError as error:
        raise Wrong(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"{path} written; set BLUELOBSTER_SECRET_KEY_FILE={path.absolute()}")
