"""Prices with their history, and how use is counted."""

from admin.place import REGION
from admin.shell import Shell

SMALL = "type add small --description x --cents 3 --vcpus 1 --memory-gb 1 --disk-gb 10"


def listed(shell: Shell) -> list[list[str]]:
    return [line.split() for line in shell.does("price list").splitlines()[1:]]


def test_a_price_from_now_on(shell: Shell) -> None:
    assert listed(shell) == [
        ["backup_gb_month", "5", "-", "-", "now"],
        ["ip_address_month", "300", "-", "-", "now"],
    ]
    assert shell.does("price set ip_address_month 450") == "ip_address_month costs 450 cents from now on\n"
    _, past, current = listed(shell)
    assert past[:3] + past[4:] == ["ip_address_month", "300", "-"]
    assert current == ["ip_address_month", "450", past[3], "-", "now"]
    shell.does("price set ip_address_month 450")
    assert len(listed(shell)) == 3


def test_a_price_from_a_moment_on(shell: Shell) -> None:
    shell.does(REGION)
    shell.does(SMALL)
    planned = "price set small 5 --from 2199-01-01T00:00:00Z"
    assert shell.does(planned) == "small costs 5 cents from 2199-01-01T00:00:00Z on\n"
    assert shell.does("type list").splitlines()[1].split()[:2] == ["small", "3"]
    shell.does("price set small 4")
    shell.does(planned.replace(" 5 ", " 6 "))
    assert [each[:2] + each[3:] for each in listed(shell) if each[0] == "small"][1:] == [
        ["small", "4", "2199-01-01T00:00:00Z", "now"],
        ["small", "6", "-"],
    ]
    assert shell.does("type list").splitlines()[1].split()[:2] == ["small", "4"]
    shell.does("type retire small")
    assert [each for each in listed(shell) if each[0] == "small"] == []


def test_prices_that_cannot_be(shell: Shell) -> None:
    assert shell.refuses("price set moonlight 1") == "There is no item or instance type moonlight"
    past = "since: what is past cannot cost something else"
    assert shell.refuses("price set ip_address_month 1 --from 2020-01-01T00:00:00Z") == past
    words = "--from: Must be a time with its zone, such as 2026-11-23T10:00:00Z"
    assert shell.refuses("price set ip_address_month 1 --from tomorrow") == words


def test_steps(shell: Shell) -> None:
    assert [line.split() for line in shell.does("price steps").splitlines()[1:]] == [
        ["address", "3600", "1"],
        ["backup", "1", "0"],
        ["instance", "1800", "1"],
    ]
    assert ["instance", "60", "2"] in [line.split() for line in shell.does("price steps instance 60 2").splitlines()]
    assert "give KIND, STEP_SECONDS and LEAST_STEPS" in shell.misreads("price steps instance")
