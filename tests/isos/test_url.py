"""What an address looks like, before anything is asked of it."""

import httpx
import pytest

from bluelobster.isos.errors import BadAddress
from bluelobster.isos.rules import IsoRules
from bluelobster.isos.url import checked_url, host_of, port_of, shown

RULES = IsoRules()
LAB = IsoRules(allowed_networks="127.0.0.1/32")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://example.com/windows10.iso", "example.com", 443),
        ("HTTP://Example.COM:80/a", "example.com", 80),
        ("https://example.com:443/a?sig=x%2Fy#z", "example.com", 443),
        ("https://bücher.example/ü.iso", "xn--bcher-kva.example", 443),
        ("https://[2606:4700::1111]/a.iso", "2606:4700::1111", 443),
        ("http://93.184.215.14/a.iso", "93.184.215.14", 80),
    ],
)
def test_what_can_be_asked(text: str, host: str, port: int) -> None:
    url = checked_url(text, RULES)
    assert (host_of(url), port_of(url)) == (host, port)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "http or https"),
        ("example.com/a.iso", "http or https"),
        ("ftp://example.com/a.iso", "http or https"),
        ("file:///etc/passwd", "http or https"),
        ("gopher://example.com/", "http or https"),
        ("http:///a.iso", "name a host"),
        ("http://a b/", "without spaces"),
        ("http://example.com\\@127.0.0.1/", "without spaces"),
        ("http://example.com/\na", "without spaces"),
        ("http://[::1", "Must be a URL"),
        ("http://example.com:99999/", "Must be"),
        ("https://user:secret@example.com/a.iso", "user name"),
        ("https://user@example.com/a.iso", "user name"),
        ("https://example.com:8443/a.iso", "on port 443"),
        ("https://example.com:80/a.iso", "on port 443"),
        ("http://127.0.0.1/a.iso", "public address"),
        ("http://127.1/a.iso", "public address"),
        ("http://2130706433/a.iso", "public address"),
        ("http://169.254.169.254/latest/meta-data", "public address"),
        ("http://[::ffff:10.0.0.1]/a.iso", "public address"),
        ("http://[fe80::1%25eth0]/a.iso", "Must"),
        (f"https://example.com/{'a' * 2048}", "2048"),
    ],
)
def test_what_cannot(text: str, why: str) -> None:
    with pytest.raises(BadAddress, match=why) as refused:
        checked_url(text, RULES)
    assert "secret" not in str(refused.value)


def test_a_lab_may_use_other_ports_and_its_own_addresses() -> None:
    assert port_of(checked_url("http://127.0.0.1:8099/a.iso", LAB)) == 8099
    with pytest.raises(BadAddress):
        checked_url("http://127.0.0.2:8099/a.iso", LAB)


def test_only_host_and_file_are_shown() -> None:
    url = httpx.URL("https://example.com/private/token-123/win.iso?X-Signature=abc#d")
    assert shown(url) == "example.com/win.iso"


def test_networks_are_read_as_the_environment_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUELOBSTER_ISO_ALLOWED_NETWORKS", " 10.1.0.0/16 ,fd00::/8,")
    assert [str(network) for network in IsoRules().allowed_networks] == ["10.1.0.0/16", "fd00::/8"]
    monkeypatch.setenv("BLUELOBSTER_ISO_ALLOWED_NETWORKS", "10.1.0.1/16")
    with pytest.raises(ValueError, match="host bits"):
        IsoRules()
