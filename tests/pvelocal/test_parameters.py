"""Parameters are refused in the words of Proxmox VE."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvelocal.errors import ApiError
from pvelocal.sizes import format_progress, format_size, parse_size
from pvelocal.verification import parse_option, render_option, verify

CREATE = "POST /nodes/{node}/qemu"


def refusals(call: str, **parameters: Any) -> dict[str, str]:
    with pytest.raises(ApiError) as refused:
        verify(call, {"node": "px1", **parameters})
    return dict(refused.value.errors or {})


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("vmid", "99", "value must have a minimum value of 100"),
        ("vmid", "1000000000", "value must have a maximum value of 999999999"),
        ("cores", "1.5", "type check ('integer') failed - got '1.5'"),
        ("onboot", "maybe", "type check ('boolean') failed - got 'maybe'"),
        ("cpulimit", "x", "type check ('number') failed - got 'x'"),
        ("scsihw", "x", "value 'x' does not have a value in the enumeration 'lsi, lsi53c810, "),
        ("serial0", "x", "value does not match the regex pattern"),
        ("description", "x" * 8193, "value may only be 8192 characters long"),
        ("net0", "virtio,nosuch=1", "invalid format - invalid key in comma-separated list property: nosuch\n"),
        ("net0", "virtio,model=e1000", "invalid format - duplicate key in comma-separated list property: model\n"),
        ("net0", "virtio=BC:24:11:00:00:01,e1000=BC:24:11:00:00:01", "invalid format - key alias 'model' is already "),
        (
            "net0",
            "bridge=vmbr0",
            "invalid format - format error\nnet0.model: property is missing and it is not optional\n",
        ),
        (
            "net0",
            "virtio=xx",
            "invalid format - format error\nnet0.macaddr: invalid format - value does not look like a ",
        ),
        ("net0", "virtio=BD:24:11:00:00:01", "invalid format - format error\nnet0.macaddr: "),
        ("ipconfig0", "nonsense", "invalid format - value without key, but schema does not define a default key\n"),
        (
            "ipconfig0",
            "ip=1.2.3.4",
            "invalid format - format error\nipconfig0.ip: invalid format - value does not look ",
        ),
        ("ipconfig0", "ip6=x", "invalid format - format error\nipconfig0.ip6: invalid format - value does not look "),
        (
            "ipconfig0",
            "gw=1.2.3.4",
            "invalid format - format error\nipconfig0.ip: missing property - 'gw' requires this ",
        ),
        ("ipconfig0", "gw=x,ip=dhcp", "invalid format - format error\nipconfig0.gw: invalid format - value does not "),
        (
            "ipconfig0",
            "gw6=x,ip6=auto",
            "invalid format - format error\nipconfig0.gw6: invalid format - value does not ",
        ),
        ("scsi0", "nonsense", "invalid format - format error\nscsi0.file: invalid format - unable to parse volume ID "),
        ("scsi0", "local:1,size=x", "invalid format - format error\nscsi0.size: invalid format - value does not look "),
        ("smbios1", "uuid=x", "invalid format - format error\nsmbios1.uuid: value does not match the regex pattern\n"),
        ("nameserver", "1.1.1.1 -bad-", "invalid format - value does not look like a valid IP address or a DNS name\n"),
        ("tags", "a;b c!", "invalid format - invalid characters in tag\n"),
        ("name", "x_y", "invalid format - value does not look like a valid DNS name\n"),
        ("nosuch", "1", "property is not defined in schema and the schema does not allow additional properties"),
        ("net32", "virtio", "property is not defined in schema and the schema does not allow additional properties"),
    ],
)
def test_refusals(name: str, value: str, why: str) -> None:
    found = refusals(CREATE, **({"vmid": "100"} | {name: value}))
    assert list(found) == [name]
    assert found[name].startswith(why)


def test_everything_wrong_is_told() -> None:
    assert set(refusals(CREATE, cores="0", memory="x", nosuch="1")) == {"vmid", "cores", "memory", "nosuch"}


def test_required_companions() -> None:
    assert refusals(CREATE, vmid="100", force="1") == {"archive": "missing property - 'force' requires this property"}


def test_values_are_typed() -> None:
    values = verify(
        CREATE, {"node": "px1", "vmid": "100", "onboot": "yes", "memory": "512", "cpulimit": "1.5", "acpi": "off"}
    )
    assert values == {"node": "px1", "vmid": 100, "onboot": 1, "memory": "512", "cpulimit": 1.5, "acpi": 0}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1"),
        ("scsi0", "local:100/vm-100-disk-0.qcow2,size=64M"),
        ("ide2", "none,media=cdrom"),
        ("ipconfig0", "gw=192.0.2.1,ip=192.0.2.10/24"),
    ],
)
def test_property_strings_survive(name: str, text: str) -> None:
    assert render_option(name, parse_option(name, text)) == text


def test_not_a_property_string() -> None:
    with pytest.raises(TypeError):
        parse_option("name", "x")
    with pytest.raises(TypeError):
        render_option("name", {})


@given(st.integers(min_value=0, max_value=1 << 50))
def test_sizes_survive(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("size", "text"), [(64 << 20, "64M"), (21954560, "21440K"), (1 << 40, "1T"), (0, "0"), (7, "7")]
)
def test_sizes(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize("text", ["", "x", "1X", "-1G", "1GB"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        parse_size(text)


def test_progress() -> None:
    assert [format_progress(size) for size in (0, 64 << 20, 1 << 41)] == ["0.0 B", "64.0 MiB", "2.0 TiB"]
