"""Pools of addresses, public and internal."""

from admin.place import REGION, add_host
from admin.shell import Shell
from pvelocal.running import RunningNode

OUTSIDE = "gateway, first and last must be in 192.0.2.0/24, first before last"


def test_pools(shell: Shell) -> None:
    shell.does(REGION)
    first = shell.does("pool add us-east-1 192.0.2.0/29 --gateway 192.0.2.1 --nameserver 9.9.9.9 --nameserver 1.1.1.1")
    assert first == "5 addresses of 192.0.2.0/29 saved for us-east-1\n"
    part = "pool add us-east-1 198.51.100.0/24 --gateway 198.51.100.254 --first 198.51.100.10 --last 198.51.100.19"
    assert shell.does(part) == "10 addresses of 198.51.100.0/24 saved for us-east-1\n"
    _, small, large = (line.split() for line in shell.does("pool list").splitlines())
    assert small == ["us-east-1", "192.0.2.0/29", "192.0.2.1", "5", "0"]
    assert large == ["us-east-1", "198.51.100.0/24", "198.51.100.254", "10", "0"]
    shell.does(part.replace("100.19", "100.29"))
    assert shell.does("pool list").splitlines()[2].split()[3] == "20"


def test_pools_that_cannot_be(shell: Shell) -> None:
    shell.does(REGION)
    usual = "us-east-1 192.0.2.0/24 --gateway 192.0.2.1"
    for pool, reason in {
        "mars 192.0.2.0/24 --gateway 192.0.2.1": "there is no region mars; add it with `bluelobster admin region add`",
        "us-east-1 192.0.2.7/24 --gateway 192.0.2.1": "192.0.2.7/24 is not a network; did you mean 192.0.2.0/24?",
        "us-east-1 nope --gateway 192.0.2.1": "Expected 4 octets in 'nope'",
        "us-east-1 192.0.2.0/24 --gateway nope": "Expected 4 octets in 'nope'",
        f"{usual} --nameserver 9.9": "Expected 4 octets in '9.9'",
        "us-east-1 192.0.2.0/24 --gateway 198.51.100.1": OUTSIDE,
        f"{usual} --first 192.0.2.20 --last 192.0.2.10": OUTSIDE,
        f"{usual} --last 192.0.3.1": OUTSIDE,
        f"{usual} --first 192.0.2.1 --last 192.0.2.1": "there is no address to give besides the gateway's",
        "us-east-1 10.0.0.0/8 --gateway 10.0.0.1": "at most 65536 addresses at once; give first and last",
    }.items():
        assert shell.refuses(f"pool add {pool}") == reason
    assert len(shell.does("pool list").splitlines()) == 1


def test_private_networks(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    internal = "pool add-internal us-east-1 10.90.0.0/24 --first-tag 100 --last-tag 199"
    assert shell.does(f"{internal} --last 10.90.0.20") == "20 internal addresses of 10.90.0.0/24 saved for us-east-1\n"
    shell.does(internal)
    assert shell.does("pool list").splitlines()[1].split() == [
        *("us-east-1", "10.90.0.0/24", "VLANs", "100-199", "254", "0"),
    ]
    assert shell.does("host internal-bridge px1 vmbr1") == "private networks of host px1: vmbr1\n"
    assert shell.does("host internal-bridge px1") == "private networks of host px1: none\n"
    assert shell.refuses("host internal-bridge px9 vmbr1") == "there is no host px9"


def test_private_networks_that_cannot_be(shell: Shell) -> None:
    shell.does(REGION)
    shell.does("pool add us-east-1 192.0.2.0/29 --gateway 192.0.2.1")
    tags = "--first-tag 100 --last-tag 199"
    shell.does(f"pool add-internal us-east-1 10.90.0.0/29 {tags}")
    for pool, reason in {
        f"us-east-1 192.0.2.0/29 {tags}": "this network is a public pool already",
        f"us-east-1 10.91.0.0/29 {tags}": "internal pool of region us-east-1 exists already",
        "us-east-1 10.91.0.0/29 --first-tag 9 --last-tag 8": "the first tag must not be behind the last",
        f"us-east-1 10.91.0.0/29 {tags} --first 10.92.0.1": "first and last must be in 10.91.0.0/29, first before last",
        f"us-east-1 10.91.0.0/8 {tags}": "10.91.0.0/8 is not a network; did you mean 10.0.0.0/8?",
        f"us-east-1 10.91.0.0/29 {tags} --last x": "Expected 4 octets in 'x'",
    }.items():
        assert shell.refuses(f"pool add-internal {pool}") == reason
    refused = shell.refuses("pool add us-east-1 10.90.0.0/29 --gateway 10.90.0.1")
    assert refused == "this network is an internal pool already"
