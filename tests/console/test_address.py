"""Where customers are told that the gateway is."""

import pytest

from bluelobster.console.address import Address, public_address

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize(
    ("host", "url", "vnc", "address"),
    [
        ("127.0.0.1", "", "", Address("ws://127.0.0.1:8081/console/websocket", "127.0.0.1", 8081)),
        ("::1", "", "", Address("ws://[::1]:8081/console/websocket", "::1", 8081)),
        (
            EVERY_ADDRESS,
            "https://console.example.com",
            "",
            Address("wss://console.example.com/console/websocket", "console.example.com", 8081),
        ),
        (
            "",
            "wss://example.com:8443/vm/",
            "vnc.example.com:5900",
            Address("wss://example.com:8443/vm/console/websocket", "vnc.example.com", 5900),
        ),
        (
            "::",
            "http://example.com",
            "[2001:db8::1]:1",
            Address("ws://example.com/console/websocket", "2001:db8::1", 1),
        ),
    ],
)
def test_addresses(host: str, url: str, vnc: str, address: Address) -> None:
    assert public_address(host, 8081, url, vnc) == address


@pytest.mark.parametrize(
    ("host", "url", "vnc", "setting"),
    [
        (EVERY_ADDRESS, "", "", "PUBLIC_URL"),
        ("127.0.0.1", "console.example.com", "", "PUBLIC_URL"),
        ("127.0.0.1", "ftp://example.com", "", "PUBLIC_URL"),
        ("127.0.0.1", "https://example.com/?a=b", "", "PUBLIC_URL"),
        ("127.0.0.1", "", "example.com", "PUBLIC_VNC"),
        ("127.0.0.1", "", ":5900", "PUBLIC_VNC"),
    ],
)
def test_settings_that_cannot_work(host: str, url: str, vnc: str, setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        public_address(host, 8081, url, vnc)
