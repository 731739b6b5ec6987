"""The judge of requests finds what the real server refused, and nothing in what it accepted."""

import pytest

from pve import schema
from pve.recordings import Exchange, exchanges, recorded

QEMU = "/nodes/pve1/qemu"
# Refused for the state of things, which no schema knows.
BEYOND_THE_SCHEMA = {
    "lifecycle: set config: unknown delete",
    "lifecycle: set config: set and delete",
    "backup: drive option on restore",
    "backup: notes template with an unknown variable",
    "backup: no vm",
    "cluster: unknown task",
    "cluster: malformed upid",
    "cloudinit: make it again",
    "cloudinit: add it again",
    "firewall: bad action",
    "firewall: port without protocol",
}


def judged(exchange: Exchange) -> list[str]:
    parameters = {name: str(value) for name, value in exchange.parameters.items()}
    return schema.problems(exchange.method, exchange.path, parameters)


def known(exchange: Exchange) -> bool:
    try:
        schema.operation(exchange.method, exchange.path)
    except LookupError:
        return False
    return True


OURS = [exchange for exchange in exchanges() if known(exchange)]


def test_accepted_requests_have_no_problem() -> None:
    accepted = [exchange for exchange in OURS if exchange.status == 200]
    assert len(accepted) > 200
    assert {str(exchange): judged(exchange) for exchange in accepted if judged(exchange)} == {}


def test_refused_parameters_are_found() -> None:
    refused = [exchange for exchange in OURS if exchange.status == 400 and str(exchange) not in BEYOND_THE_SCHEMA]
    assert len(refused) >= 4
    for exchange in refused:
        found = judged(exchange)
        for name in exchange.body["errors"]:
            assert any(name in problem for problem in found), f"{exchange}: {name}"


def test_a_create_without_a_vmid() -> None:
    assert judged(recorded("lifecycle", "create: no vmid")) == ["vmid is missing"]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("net0", "virtio=BC:24:11:6A:DF:2A,bridge=vmbr0,speed=10", "net0: unknown key 'speed'"),
        ("net0", "bridge=vmbr0", "net0: model is missing"),
        ("net0", "virtio=BD:24:11:6A:DF:2A", "net0: macaddr: 'BD:24:11:6A:DF:2A' is no mac-addr"),
        ("net0", "virtio,firewall=yes", "net0: firewall: 'yes' is no boolean"),
        ("net0", "virtio,tag=5000", "net0: tag: 5000 is not between 1 and 4094"),
        ("scsi0", "size=1G", "scsi0: file is missing"),
        ("scsi0", "local:0,cache=maybe", "scsi0: cache: 'maybe' is none of"),
        ("ide2", "local:cloudinit,media=tape", "ide2: media: 'tape' is none of"),
        ("hostpci0", "mapping=A4000,pcie=yes", "hostpci0: pcie: 'yes' is none of 1|0"),
        ("hostpci0", "mapping=A4000,speed=1", "hostpci0: unknown key 'speed'"),
        ("ipconfig0", "address=192.0.2.1/24", "ipconfig0: unknown key 'address'"),
        ("smbios1", "uuid=1", "smbios1: 'uuid=1' is no pve-qm-smbios1"),
        ("serial0", "tcp", "serial0: 'tcp' does not match"),
        ("machine", "q36", "machine: type: 'q36' does not match"),
        ("cores", "0", "cores: 0 is not between 1 and inf"),
        ("nameserver", "192.0.2.300", "nameserver: '192.0.2.300' is no address"),
        ("sshkeys", "ssh-ed25519 AAAA", "sshkeys: 'ssh-ed25519 AAAA' is no urlencoded"),
        ("ciupgrade", "false", "ciupgrade: 'false' is no boolean"),
        ("colour", "blue", "unknown parameter 'colour'"),
        ("description", "x" * 8193, "description: longer than 8192"),
        ("cpu", "host", "cpu: the format pve-vm-cpu-conf is not known here"),
    ],
)
def test_a_bad_option_is_found(name: str, value: str, problem: str) -> None:
    (found,) = schema.problems("POST", QEMU, {"vmid": "101", name: value})
    assert found.startswith(problem)


def test_a_vmid_below_100() -> None:
    assert schema.problems("DELETE", f"{QEMU}/99", {}) == ["vmid: 99 is not between 100 and 1e+09"]


def test_a_path_that_the_server_lacks() -> None:
    with pytest.raises(LookupError):
        schema.operation("PATCH", f"{QEMU}/101/config")
