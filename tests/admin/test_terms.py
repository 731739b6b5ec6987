"""How accounts pay, as the operator says it on the command line."""

import pytest

from admin.shell import Shell


def terms(shell: Shell) -> dict[str, str]:
    rows = [line.split() for line in shell.does("terms show").splitlines()[1:]]
    return {row[0]: "".join(each for each in row[1:] if each.strip(",").isdigit()) for row in rows}


def test_everybody_s_terms(shell: Shell) -> None:
    assert terms(shell) == {
        "launch-hours": "1",
        "warning-hours": "168,72,24",
        "shutdown-after-hours": "24",
        "deletion-after-hours": "336",
    }
    shell.does("terms set --shutdown-after-hours 48 --warning-hours 5 --warning-hours 50")
    assert terms(shell) == {
        "launch-hours": "1",
        "warning-hours": "50,5",
        "shutdown-after-hours": "48",
        "deletion-after-hours": "336",
    }


def test_an_account_s_terms(shell: Shell) -> None:
    def shown(options: str = "") -> list[str]:
        return shell.does(f"account terms acme {options}").splitlines()[1].split()

    shell.does("account add acme")
    assert shown() == ["acme", "prepaid", "$0.00", "no", "$0.00", "good"]
    assert shown("--pays invoice --credit-limit 1500") == ["acme", "invoice", "$1,500.00", "no", "$0.00", "good"]
    assert shown("--exempt") == ["acme", "invoice", "$1,500.00", "yes", "$0.00", "good"]
    assert shown("--pays prepaid --not-exempt") == ["acme", "prepaid", "$0.00", "no", "$0.00", "good"]


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ("--credit-limit 5", "an account that pays in advance may not owe anything; say --pays invoice with it"),
        ("--pays invoice --credit-limit=-5", "a credit limit is not less than nothing"),
        ("--pays invoice --credit-limit lots", "'lots' is not an amount of dollars, such as 25 or 25.50"),
    ],
)
def test_terms_that_cannot_be(shell: Shell, options: str, refusal: str) -> None:
    shell.does("account add acme")
    assert shell.refuses(f"account terms acme {options}") == refusal
    assert shell.refuses("account terms nobody") == "there is no account nobody"
