"""Where customers find the gateway: one port for the page, websockets and plain VNC."""

from dataclasses import dataclass
from urllib.parse import urlsplit

EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - recognised, not listened on


@dataclass(frozen=True)
class Address:
    """`url` leads to the page and the websocket, `host` and `port` to plain VNC."""

    url: str
    host: str
    port: int

    def console_url(self, ticket: str) -> str:
        """The page. The ticket is in the fragment, which browsers send to nobody."""
        return f"{self.url}/console/#{ticket}"

    def websocket_url(self, ticket: str) -> str:
        scheme, _, rest = self.url.partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/console/websocket?ticket={ticket}"


def public_address(host: str, port: int, url: str, vnc: str) -> Address:
    """From what the gateway listens on and what the operator says of it. ValueError when that leaves a question."""
    if not url and host in EVERYWHERE:
        raise ValueError("BLUELOBSTER_CONSOLE_PUBLIC_URL must say where customers find a console on all addresses")
    url = url.rstrip("/") or f"http://{bracketed(host)}:{port}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("BLUELOBSTER_CONSOLE_PUBLIC_URL must read https://host or https://host:port")
    if not vnc:
        return Address(url, parts.hostname, port)
    plain = urlsplit(f"//{vnc}")
    if not plain.hostname or plain.port is None:
        raise ValueError("BLUELOBSTER_CONSOLE_PUBLIC_VNC must read host:port")
    return Address(url, plain.hostname, plain.port)


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
