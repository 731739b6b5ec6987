"""Defaults of a launch that depend on who and what is there."""

import getpass

import pytest

from bluelobster_client.cli.choices import choose_type, choose_username, local_username
from bluelobster_client.models import InstanceType, Template
from client import answers


def types(*entries: tuple[object, ...]) -> list[InstanceType]:
    return [InstanceType.parse(answers.instance_type(*entry)) for entry in entries]  # type: ignore[arg-type]


def templates(*names: str | None) -> list[Template]:
    return [Template.parse(answers.template(f"T{number}", name)) for number, name in enumerate(names)]


@pytest.fixture
def local_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")


def test_the_cheapest_with_room_where_it_is_wanted() -> None:
    offer = types(("a", 5, "x", "y"), ("b", 3, "y"), ("c", 1), ("d", 9, "z"))
    assert choose_type(offer, None, None) == ("b", "y")
    assert choose_type(offer, None, "x") == ("a", "x")
    assert choose_type(offer, "a", None) == ("a", "x")
    assert choose_type(offer, "a", "y") == ("a", "y")


@pytest.mark.usefixtures("local_user")
def test_the_templates_user_comes_first_and_then_ours() -> None:
    one, two = templates("debian", "tiny")
    assert choose_username(one, [one, two]) == "debian"
    assert choose_username(None, [one]) == "debian"
    assert choose_username(None, [one, two]) == "ada"
    assert choose_username(None, templates(None)) == "ada"
    assert choose_username(None, []) == "ada"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ada.Lovelace", "adalovelace"),
        ("2nd-user", "nd-user"),
        ("root", "bluelobster"),
        ("Ädel", "del"),
        ("42", "bluelobster"),
    ],
)
def test_our_user_name_is_cleaned_up(monkeypatch: pytest.MonkeyPatch, name: str, expected: str) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: name)
    assert local_username() == expected


def test_a_process_without_a_user_has_a_user_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert local_username() == "bluelobster"
