"""People, by the operator."""

import asyncio

from click.testing import CliRunner

from admin.shell import Shell
from bluelobster.__main__ import main
from bluelobster.app import attach, create_app
from bluelobster.parts import assembled
from bluelobster.settings import Settings
from cloud import CHEAP_HASHES, api_client

PASSWORD = "correct horse battery"
CHEAP = {f"BLUELOBSTER_{name.upper()}": str(value) for name, value in CHEAP_HASHES.items()}


def asked(path: str, body: dict[str, str]) -> int:
    """What the API answers to a stranger."""

    async def ask() -> int:
        settings = Settings(**CHEAP_HASHES)
        app = create_app(settings)
        async with assembled(settings) as parts:
            attach(app, parts)
            return (await api_client(app, None).post(f"/auth/{path}", json=body)).status_code

    return asyncio.run(ask())


def signs_in(email: str, password: str = PASSWORD) -> int:
    return asked("sign-in", {"email": email, "password": password})


def test_a_user_sets_their_password_with_the_token(shell: Shell) -> None:
    shell.does("account add acme")
    token = shell.does("user add ada@example.com --account acme").strip()
    assert signs_in("ada@example.com") == 401
    assert asked("invitations/accept", {"token": token, "password": PASSWORD}) == 200
    assert signs_in("ada@example.com") == 200
    header, ada = shell.does("user list").splitlines()
    assert header.split()[:3] == ["e-mail", "accounts", "since"]
    assert ada.split()[:2] == ["ada@example.com", "acme"]
    assert shell.refuses("user add ada@example.com --account acme").startswith("ada@example.com is in the account")
    shell.does("account add other")
    assert shell.does("user add ada@example.com --account other --role viewer") == "ada@example.com is in other\n"


def test_a_user_is_disabled_enabled_and_given_another_password(shell: Shell) -> None:
    shell.does("account add acme")
    words = ["admin", "user", "add", "ada@example.com", "--account", "acme", "--password-stdin"]
    given = CliRunner().invoke(main, words, input=f"{PASSWORD}\n", env=CHEAP)
    assert (given.exit_code, given.output) == (0, "ada@example.com is in acme\n")
    assert signs_in("ada@example.com") == 200
    assert shell.does("user disable ADA@example.com") == "ADA@example.com is disabled\n"
    assert signs_in("ada@example.com") == 403
    shell.does("user enable ada@example.com")
    token = shell.does("user reset-password ada@example.com").strip()
    assert signs_in("ada@example.com") == 200
    assert asked("invitations/accept", {"token": token, "password": "another password"}) == 200
    assert (signs_in("ada@example.com"), signs_in("ada@example.com", "another password")) == (401, 200)
    words = ["admin", "user", "reset-password", "ada@example.com", "--password-stdin"]
    weak = CliRunner().invoke(main, words, input="short\n", env=CHEAP)
    assert (weak.exit_code, weak.output) == (1, "Error: password: must have 12 to 256 characters\n")
    assert CliRunner().invoke(main, words, input=f"{PASSWORD}\n", env=CHEAP).exit_code == 0
    assert signs_in("ada@example.com") == 200


def test_users_that_cannot_be(shell: Shell) -> None:
    shell.does("account add acme")
    assert shell.refuses("user add ada --account acme") == ("email: Must be an e-mail address, such as ada@example.com")
    assert shell.refuses("user add a@example.com --account nobody") == "account: there is no account nobody"
    assert "staff" in shell.refuses("user add a@example.com --account acme --role staff")
    assert shell.refuses("user disable a@example.com") == "there is no user a@example.com"
