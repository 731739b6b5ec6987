"""Ports of this machine, and where what listens on them is found."""

import socket

from bluelobster.local.errors import CloudError


def url_here(host: str, port: int) -> str:
    """Where a program on this machine finds what listens on a host's port."""
    reached = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not listened on
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"


def must_be_free(port: int) -> None:
    """Raises CloudError when something listens on the API's port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CloudError(f"port {port} cannot be had ({error.strerror}); choose another one with --port") from error


def port_beside(port: int) -> int:
    """The next port, or any where that one is taken."""
    try:
        must_be_free(port + 1)
    except (CloudError, OverflowError):
        return free_port()
    return port + 1


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
