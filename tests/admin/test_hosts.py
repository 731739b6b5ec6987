"""A host is looked at before it is believed."""

from dataclasses import replace
from pathlib import Path

import pytest

from admin.place import FEW_RIGHTS, NO_REMOVAL, REGION, add_host, image, reach, secret_of
from admin.shell import Shell
from pvelocal.running import RunningNode


def test_a_host_is_asked_for_its_size(shell: Shell, node: RunningNode) -> None:
    assert add_host(shell, node) == "host px1 saved: 32 vCPUs, 64 GB memory, 1000 GB disk to promise\n"
    _, shown = (line.split() for line in shell.does("host list").splitlines())
    assert shown == ["px1", "us-east-1", "active", "0/32", "0/64", "0/1000", "none", "unknown", "never"]
    more = "--vcpu-overcommit 8 --memory-overcommit 1.5 --disk-overcommit 2"
    changed = shell.does(f"host add px1 {reach(node)} {more}")
    assert changed == "host px1 saved: 64 vCPUs, 96 GB memory, 2000 GB disk to promise\n"
    assert "is not in the range 1<=x<=100" in shell.misreads(f"host add px1 {reach(node)} --vcpu-overcommit 0.5")


def test_the_token_may_come_from_the_environment(shell: Shell, node: RunningNode) -> None:
    shell.does(REGION)
    without = reach(node, token="")
    refused = shell.refuses(f"host add px1 {without}")
    assert refused == "give the token in the environment: BLUELOBSTER_HOST_TOKEN='user@realm!name=secret'"
    shell.does(f"host add px1 {without}", BLUELOBSTER_HOST_TOKEN=secret_of(node.token))


def test_a_wrong_fingerprint(shell: Shell, node: RunningNode) -> None:
    shell.does(REGION)
    wrong = "".join("1" if digit == "0" else "0" for digit in node.fingerprint.replace(":", ""))
    refused = shell.refuses(f"host add px1 {reach(node, fingerprint=wrong)}")
    assert refused.startswith("the host is not the one that was meant, or its certificate was renewed: ")
    assert refused.endswith(f"the server's certificate is {node.fingerprint.replace(':', '')}, expected was {wrong}")
    unknown = shell.refuses(f"host add px1 {reach(node, fingerprint='')}")
    assert "give its fingerprint" in unknown
    malformed = shell.refuses(f"host add px1 {reach(node, fingerprint='12:34')}")
    assert malformed == "the fingerprint must be the SHA-256 of the certificate in hex"


def test_a_wrong_token(shell: Shell, node: RunningNode) -> None:
    shell.does(REGION)
    secret = "0" * len(node.token.secret)
    refused = shell.refuses(f"host add px1 {reach(node, token=f'{node.token.id}={secret}')}")
    assert refused == f"the host refuses the token {node.token.id}: Authentication failed!"
    assert shell.refuses(f"host add px1 {reach(node, token='x')}") == "the token must read user@realm!name=secret"


def test_a_token_of_few_rights(shell: Shell, node: RunningNode) -> None:
    shell.does(REGION)
    refused = shell.refuses(f"host add px1 {reach(node, token=secret_of(FEW_RIGHTS))}")
    assert refused.startswith("the token lacks privileges on /: Datastore.AllocateSpace, ")
    assert "VM.PowerMgmt" in refused
    assert "VM.Audit" not in refused
    assert refused.endswith("(a token with privilege separation needs them itself, besides its user)")
    assert FEW_RIGHTS.secret not in refused


def test_hosts_that_cannot_serve(shell: Shell, node: RunningNode) -> None:
    shell.does(REGION)
    for option, value, reason in (
        ("storage", "nope", "the node has no storage nope; it has local, isos, images, backup"),
        ("storage", "isos", "storage isos must allow the content import"),
        ("node", "pve9", "the cluster has no node pve9; it has px1"),
        ("region", "mars", "there is no region mars; add it with `bluelobster admin region add`"),
        ("address", "http://127.0.0.1:8006", "the address must read https://host:port"),
    ):
        assert shell.refuses(f"host add px1 {reach(node, **{option: value})}") == reason
    silent = shell.refuses(f"host add px1 {reach(node, address='https://127.0.0.1:1')}")
    assert silent == "the host does not answer: no connection: Connect call failed ('127.0.0.1', 1)"
    assert len(shell.does("host list").splitlines()) == 1


def test_a_place_for_iso_images(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    assert "ISO" not in shell.does(f"host add px1 {reach(node)} --iso-storage isos")
    refused = shell.refuses(f"host add px1 {reach(node)} --iso-storage nope")
    assert refused == "the node has no storage nope; it has local, isos, images, backup"
    refused = shell.refuses(f"host add px1 {reach(node)} --iso-storage images")
    assert refused == "storage images must allow the content iso"
    said = shell.does(f"host add px1 {reach(node, storage='images')}").splitlines()[1]
    assert said == "machines cannot boot from ISO images there: storage images must allow the content iso"


def test_a_place_for_backups(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    refused = shell.refuses(f"host add px1 {reach(node)} --backup-storage nope")
    assert refused.startswith("the node has no storage nope; it has local, isos, images, backup")
    refused = shell.refuses(f"host add px1 {reach(node)} --backup-storage isos")
    assert refused == "storage isos must allow the content backup"
    shell.does(f"host add px1 {reach(node)} --backup-storage backup")
    assert shell.does("host list").splitlines()[1].split()[6] == "backup"


def test_a_host_boots_no_iso_images_that_it_could_not_remove(shell: Shell, node: RunningNode) -> None:
    shell.does(REGION)
    said = shell.does(f"host add px1 {reach(node, token=secret_of(NO_REMOVAL))}").splitlines()[1]
    assert said.endswith("lacks the privilege Datastore.Allocate on /storage/local, which removing an image takes")


def test_a_data_center_without_a_firewall(shell: Shell, node: RunningNode, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.does(REGION)
    monkeypatch.setattr(node.node, "settings", replace(node.node.settings, firewall=False))
    refused = shell.refuses(f"host add px1 {reach(node)}")
    assert refused.startswith("the firewall of the data center is off")
    assert "pvesh set /cluster/firewall/options --enable 1" in refused


def test_one_node_is_one_host(shell: Shell, node: RunningNode) -> None:
    assert shell.refuses(f"host add p_x --node px1 {reach(node)}").startswith("a name has 1 to 63 lower-case letters")
    add_host(shell, node)
    for address in (node.url, node.url.replace("127.0.0.1", "localhost")):
        again = shell.refuses(f"host add px2 --node px1 {reach(node, address=address)}")
        assert again == "this node is on record already, as host px1"


def test_a_host_is_drained_and_removed(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    shell.does(f"template add TINY-LINUX --file {image('tiny.qcow2')}")
    for status in ("draining", "offline", "active"):
        assert shell.does(f"host status px1 {status}") == f"host px1 is {status}\n"
        assert shell.does("host list").splitlines()[1].split()[2] == status
    assert "'asleep' is not one of 'active', 'draining', 'offline'" in shell.misreads("host status px1 asleep")
    assert shell.refuses("host status px2 active") == "there is no host px2"
    assert shell.refuses("host remove px2") == "there is no host px2"
    assert shell.does("host remove px1") == "host px1 removed\n"
    assert len(shell.does("host list").splitlines()) == 1


def test_a_token_is_kept_sealed(shell: Shell, node: RunningNode, database: str) -> None:
    add_host(shell, node)
    assert node.token.secret not in shell.does("host list")
    shell.does("secret-key other")
    other = Path("other").read_text()
    refused = shell.refuses("gpu add px1 A4000 a4000-0", BLUELOBSTER_SECRET_KEY=other)
    assert refused == "cannot unseal the secret of token of host px1: is the secret key the one it was sealed with?"
