"""Accounts, their credit and their keys."""

import asyncio

from admin.shell import Shell
from bluelobster.app import attach, create_app
from bluelobster.parts import assembled
from bluelobster.settings import Settings
from cloud import api_client


def status_with(key: str, path: str = "/instances") -> int:
    """What the API answers to somebody with this key."""

    async def ask() -> int:
        settings = Settings()
        app = create_app(settings)
        async with assembled(settings) as parts:
            attach(app, parts)
            return (await api_client(app, key).get(path)).status_code

    return asyncio.run(ask())


def test_an_account_is_added_and_listed(shell: Shell) -> None:
    assert shell.does("account add acme") == "account acme added; give it a key with: bluelobster admin key add acme\n"
    shell.does("account add ops --staff")
    header, acme, ops = (line.split() for line in shell.does("account list").splitlines())
    assert header == ["name", "role", "credit", "since", "closed"]
    assert acme[:3] == ["acme", "customer", "$0.00"]
    assert ops[:3] == ["ops", "staff", "$0.00"]
    assert shell.refuses("account add acme") == "account acme exists already"


def test_names_that_cannot_be(shell: Shell) -> None:
    for name in ("Acme", "a_b", "'a b'", "-- -a", "''", "a" * 64):
        assert shell.refuses(f"account add {name}").startswith("a name has 1 to 63 lower-case letters")
    shell.does(f"account add {'a' * 63}")


def test_credit_is_given_and_taken_to_the_cent(shell: Shell) -> None:
    shell.does("account add acme")
    assert shell.does("account credit acme 25.50") == "$25.50 credited to acme\n"
    assert shell.does("account credit acme '$10' --reason 'welcome, and thanks'") == "$10.00 credited to acme\n"
    assert shell.does("account credit acme -5.25") == "$5.25 taken from acme\n"
    assert "$30.25" in shell.does("account list")
    shell.does("account credit acme -100")
    assert "-$69.75" in shell.does("account list")


def test_amounts_that_cannot_be(shell: Shell) -> None:
    shell.does("account add acme")
    for amount in ("0", "1.005", "NaN", "Infinity"):
        refused = shell.refuses(f"account credit acme {amount}")
        assert refused == f"'{amount}' is not a whole number of cents other than zero"
    refused = shell.refuses("account credit acme lots")
    assert refused == "'lots' is not an amount of dollars, such as 25 or 25.50"
    assert shell.refuses("account credit acme 1e30") == "a number is too large"
    assert "$0.00" in shell.does("account list")


def test_nobody_gets_nothing(shell: Shell) -> None:
    assert shell.refuses("account credit nobody 5") == "there is no account nobody"
    assert shell.refuses("key add nobody") == "there is no account nobody"
    assert shell.refuses("key revoke nothing") == "there is no key with prefix nothing"


def test_a_key_opens_the_api_until_it_is_revoked(shell: Shell) -> None:
    shell.does("account add acme")
    key = shell.does("key add acme").strip()
    prefix = key.split("_")[1]
    assert status_with(key) == 200
    assert shell.does("key list").splitlines()[1].split() == [prefix, "acme", "default", "owner", "-", "valid", "never"]
    assert shell.does(f"key revoke {prefix}") == f"key {prefix} revoked\n"
    assert status_with(key) == 401
    assert "revoked" in shell.does("key list")
    assert key.split("_")[2] not in shell.does("key list")


def test_a_key_gets_another_secret(shell: Shell) -> None:
    shell.does("account add acme")
    first = shell.does("key add acme").strip()
    prefix = first.split("_")[1]
    second = shell.does(f"key rotate {prefix} --overlap-hours 1").strip()
    assert second.startswith(f"bl_{prefix}_")
    assert (status_with(first), status_with(second)) == (200, 200)
    third = shell.does(f"key rotate {prefix} --overlap-hours 0").strip()
    assert (status_with(second), status_with(third)) == (401, 200)
    assert shell.refuses("key rotate nothing") == "there is no key with prefix nothing"


def test_a_key_has_a_name_a_role_and_an_end(shell: Shell) -> None:
    shell.does("account add acme")
    shell.does("key add acme --name '[laptop]' --role viewer --days 30")
    shown = shell.does("key list").splitlines()[1].split()
    assert shown[1:7] == ["acme", "[laptop]", "viewer", "-", "valid", "until"]
    assert shell.misreads("key add acme --days 0") == "Invalid value for '--days': 0 is not in the range 1<=x<=3650."
    assert "is not one of 'viewer', 'member', 'admin', 'owner', 'staff'" in shell.misreads("key add acme --role root")


def test_only_staff_gets_staff_keys(shell: Shell) -> None:
    shell.does("account add acme")
    shell.does("account add ops --staff")
    everybody_s = "/tasks?all_accounts=true"
    assert status_with(shell.does("key add ops --role staff").strip(), everybody_s) == 200
    assert status_with(shell.does("key add acme").strip(), everybody_s) == 403
    refused = shell.refuses("key add acme --role staff")
    assert refused == "acme is a customer: only an account added with --staff has staff keys"


def test_an_account_is_closed_and_opened_again(shell: Shell) -> None:
    shell.does("account add acme")
    key = shell.does("key add acme").strip()
    shell.does("account credit acme -1")
    assert shell.refuses("account close acme").startswith("The account still has a debt of 100 cents")
    shell.does("account credit acme 1")
    assert shell.does("account close acme") == "account acme is closed\n"
    assert status_with(key) == 401
    assert shell.does("account list").splitlines()[1].split()[4] != "-"
    assert shell.refuses("account close acme").startswith("The account is closed since")
    assert shell.does("account reopen acme").startswith("account acme is open; give it a key")
    assert (status_with(key), status_with(shell.does("key add acme").strip())) == (401, 200)
    assert shell.refuses("account reopen acme") == "The account is not closed"
    assert shell.refuses("account close nobody") == "there is no account nobody"
