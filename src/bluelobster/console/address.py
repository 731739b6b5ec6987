"""Where customers find the gateway: one port for websockets and plain VNC."""

from dataclasses import dataclass
from urllib.parse import urlsplit

EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - recognised, not listened on
SCHEMES = {"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}


@dataclass(frozen=True)
class Address:
    """`websocket` is a URL that a ticket is added to; plain VNC viewers connect to `host` and `port`."""

    websocket: str
    host: str
    port: int

    def websocket_url(self, ticket: str) -> str:
        return f"{self.websocket}?ticket={ticket}"


def public_address(host: str, port: int, url: str, vnc: str) -> Address:
    """From what the gateway listens on and what the operator says of it. ValueError when that leaves a question."""
    if not url and host in EVERYWHERE:
        raise ValueError("BLUELOBSTER_CONSOLE_PUBLIC_URL must say where customers find a console on all addresses")
    parts = urlsplit(url or f"http://{f'[{host}]' if ':' in host else host}:{port}")
    if parts.scheme not in SCHEMES or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("BLUELOBSTER_CONSOLE_PUBLIC_URL must read https://host or https://host:port")
    websocket = f"{SCHEMES[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}/console/websocket"
    if not vnc:
        return Address(websocket, parts.hostname, port)
    plain = urlsplit(f"//{vnc}")
    if not plain.hostname or plain.port is None:
        raise ValueError("BLUELOBSTER_CONSOLE_PUBLIC_VNC must read host:port")
    return Address(websocket, plain.hostname, plain.port)
