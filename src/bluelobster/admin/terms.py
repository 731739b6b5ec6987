"""How accounts pay: everybody's terms, and those of single accounts."""

from typing import get_args

import click

from bluelobster.accounts.account import Account, read_account
from bluelobster.accounts.terms import AccountTerms, set_account_terms
from bluelobster.admin.accounts import account, cents_of, named
from bluelobster.admin.session import Wrong, run, show
from bluelobster.billing.dollars import dollars
from bluelobster.billing.standing import Pays
from bluelobster.billing.terms import BillingTerms, read_terms, set_terms
from bluelobster.db.pool import transaction
from bluelobster.parts import Parts

MEANING = {
    "launch_hours": "hours that credit must last, with what is launched",
    "warning_hours": "hours left at which there is a warning",
    "shutdown_after_hours": "hours from owing to shutting down",
    "deletion_after_hours": "hours from there to deleting, with all backups",
}

HOURS, LEVEL = click.IntRange(0, 8760), click.IntRange(1, 8760)


@click.group()
def terms() -> None:
    """When accounts are warned, shut down and deleted for money."""


@terms.command("show")
def show_terms() -> None:
    """Show everybody's terms."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            _show(await read_terms(tx))

    run(action)


@terms.command("set")
@click.option("--launch-hours", type=HOURS, help=MEANING["launch_hours"])
@click.option("--warning-hours", type=LEVEL, multiple=True, help=f"{MEANING['warning_hours']}; may be repeated")
@click.option("--shutdown-after-hours", type=HOURS, help=MEANING["shutdown_after_hours"])
@click.option("--deletion-after-hours", type=HOURS, help=MEANING["deletion_after_hours"])
def change_terms(**changes: int | tuple[int, ...] | None) -> None:
    """Change some of everybody's terms. Who is in a step already keeps the time that they were told."""
    given = {name: value for name, value in changes.items() if value not in (None, ())}

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            wanted = BillingTerms.model_validate({**(await read_terms(tx)).model_dump(), **given})
            await set_terms(tx, wanted)
        _show(wanted)

    run(action)


def _show(wanted: BillingTerms) -> None:
    rows = []
    for name, value in wanted.model_dump().items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        rows.append((name.replace("_", "-"), text, MEANING[name]))
    show(("term", "value", "meaning"), rows)


@account.command("terms")
@click.argument("name")
@click.option("--pays", type=click.Choice(get_args(Pays)), help="In advance, or by invoice")
@click.option("--credit-limit", "limit", help="What it may owe, in dollars (by invoice only)")
@click.option("--exempt/--not-exempt", default=None, help="Nothing is refused, shut down or deleted for money")
def account_terms(name: str, pays: Pays | None, limit: str | None, exempt: bool | None) -> None:
    """Show how an account pays and how it stands, or change it; what is not said stays."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            before = await read_account(tx, await named(tx, name))
            wanted = AccountTerms(
                pays=pays or before.pays,
                credit_limit_cents=limit_of(before, pays or before.pays, limit),
                exempt=before.exempt if exempt is None else exempt,
            )
            now = await set_account_terms(tx, before.id, wanted, parts.clock.now())
        show(
            ("name", "pays", "credit limit", "exempt", "balance", "standing", "next step"),
            [
                (
                    now.name,
                    now.pays,
                    dollars(now.credit_limit_cents),
                    "yes" if now.exempt else "no",
                    dollars(now.balance_cents),
                    now.standing,
                    now.next_step_at or "",
                )
            ],
        )

    run(action)


def limit_of(before: Account, pays: Pays, given: str | None) -> int:
    """What the account may owe, in cents: nothing, once it pays in advance. Raises Wrong."""
    if pays == "prepaid":
        if given is not None and cents_of(given):
            raise Wrong("an account that pays in advance may not owe anything; say --pays invoice with it")
        return 0
    cents = before.credit_limit_cents if given is None else cents_of(given)
    if cents < 0:
        raise Wrong("a credit limit is not less than nothing")
    return cents
