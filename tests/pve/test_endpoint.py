"""Addresses, tokens and fingerprints."""

import pytest

from bluelobster.pve import Endpoint, Upid
from pve.recordings import exchanges

TOKEN = "cloud@pve!api=5e0f7a9c-1111-4222-8333-944455556666"
SECRET = "5e0f7a9c"
PRINT = "6C:D8:5D:1B:64:B4:ED:D4:34:76:96:99:D0:82:6C:BC:7A:BB:49:D0:1E:75:72:32:99:DE:73:33:D1:3B:F6:DA"


def test_the_secret_is_not_shown() -> None:
    endpoint = Endpoint("https://pve.example:8006", TOKEN, PRINT)
    assert SECRET not in f"{endpoint} {endpoint!r}"
    assert "cloud@pve!api" in repr(endpoint)
    assert endpoint.token_id == "cloud@pve!api"
    assert endpoint.secret == TOKEN.partition("=")[2]


@pytest.mark.parametrize("fingerprint", [PRINT, PRINT.lower(), PRINT.replace(":", "")])
def test_a_fingerprint_may_be_written_in_many_ways(fingerprint: str) -> None:
    assert Endpoint("https://pve.example:8006", TOKEN, fingerprint) == Endpoint(
        "https://pve.example:8006", TOKEN, PRINT
    )


@pytest.mark.parametrize(
    ("url", "token", "fingerprint"),
    [
        ("http://pve.example:8006", TOKEN, None),
        ("pve.example:8006", TOKEN, None),
        ("https://", TOKEN, None),
        ("https://user@pve.example:8006", TOKEN, None),
        ("https://pve.example:8006?x=1", TOKEN, None),
        ("https://pve.example:8006", TOKEN.replace("!api", ""), None),
        ("https://pve.example:8006", TOKEN.replace("=", ":"), None),
        ("https://pve.example:8006", TOKEN + "\r\nX: y", None),
        ("https://pve.example:8006", TOKEN, PRINT[:-3]),
        ("https://pve.example:8006", TOKEN, PRINT.replace("6", "G")),
    ],
)
def test_what_is_malformed_is_refused(url: str, token: str, fingerprint: str | None) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        Endpoint(url, token, fingerprint)
    assert SECRET not in str(caught.value)


def test_every_recorded_upid() -> None:
    found = [exchange.data for exchange in exchanges() if exchange.status == 200 and str(exchange.data)[:5] == "UPID:"]
    assert len(found) > 50
    for value in found:
        assert str(Upid.parse(value)) == value


def test_what_a_upid_tells() -> None:
    upid = Upid.parse("UPID:pve1:000008B4:00063954:6B0416E0:imgdel:130@store:root@pam!t1:")
    assert (upid.node, upid.type, upid.id, upid.vmid) == ("pve1", "imgdel", "130@store", None)
    assert upid.user == "root@pam!t1"
    assert upid.started_at == 0x6B0416E0
    assert Upid.parse("UPID:pve1:0000046C:00061C6C:6B041696:qmcreate:101:root@pam:").vmid == 101


@pytest.mark.parametrize(
    "value",
    ["", "OK", "UPID:pve1:0:0:0:qmstart:100:root@pam:", "UPID:a/b:0000046C:00061C6C:6B041696:qmcreate:101:root@pam:"],
)
def test_what_is_no_upid(value: str) -> None:
    with pytest.raises(ValueError, match="UPID"):
        Upid.parse(value)
