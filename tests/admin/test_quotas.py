"""Limits that the operator sets."""

from admin.shell import Shell


def limits(shell: Shell, options: str = "") -> dict[str, list[str]]:
    rows = [line.split() for line in shell.does(f"quota list {options}").splitlines()[1:]]
    return {row[0]: row[1:] for row in rows}


def test_everybody_s_limits(shell: Shell) -> None:
    assert list(limits(shell)) == ["instances", "vcpus", "memory_gb", "gpus", "addresses", "backups"]
    assert shell.does("quota set instances 3") == "quota instances of everybody: 3\n"
    shell.does("quota set vcpus none")
    assert (limits(shell)["instances"], limits(shell)["vcpus"]) == (["3"], ["none"])


def test_an_account_s_own(shell: Shell) -> None:
    shell.does("account add acme")
    shell.does('gpu model A4000 --marketing "RTX A4000" --description "NVIDIA RTX A4000"')
    shell.does("quota set gpus 4")
    shell.does("quota set instances 3 --account acme")
    shown = limits(shell, "--account acme")
    assert (shown["instances"], shown["gpus:A4000"]) == (["0", "3", "its", "own"], ["0", "4"])
    shell.does("quota set gpus:A4000 none --account acme")
    assert limits(shell, "--account acme")["gpus:A4000"] == ["0", "none", "its", "own"]
    shell.does("quota set instances default --account acme")
    assert limits(shell, "--account acme")["instances"] == ["0", "200"]


def test_limits_that_cannot_be(shell: Shell) -> None:
    for name in ("disks", "gpus:", "vcpus:A4000"):
        assert shell.refuses(f"quota set {name} 3").startswith("A quota is one of instances, vcpus, memory_gb, gpus")
    for most in ("-- -1", "1.5", "lots", str(2**31)):
        assert shell.refuses(f"quota set instances {most}").startswith("a limit is a number from 0 to 2147483647")
    assert shell.refuses("quota set gpus:H900 1") == "There is no GPU model H900"
    assert shell.refuses("quota list --account nobody") == "there is no account nobody"
    assert shell.refuses("quota set instances default").endswith("everybody's limit can be a number or null")
