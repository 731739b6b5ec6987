"""What becomes of a name inside the guest."""

import pytest

from bluelobster.instances.names import hostname_of


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("web-1", "web-1"),
        ("web_1", "web-1"),
        ("___", "instance"),
        ("-a-", "a"),
        ("x" * 64, "x" * 63),
        ("true", "vm-true"),
        ("No", "vm-No"),
        ("null", "vm-null"),
        ("12345", "vm-12345"),
        ("0x1f", "vm-0x1f"),
        ("1e5", "vm-1e5"),
        ("0b1", "vm-0b1"),
        ("2026-11-23", "vm-2026-11-23"),
        ("7-of-9", "7-of-9"),
        ("4k-video", "4k-video"),
    ],
)
def test_host_names(name: str, host: str) -> None:
    assert hostname_of(name) == host
