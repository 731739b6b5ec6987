"""A TLS server on the loopback with a certificate of its own making."""

import asyncio
import datetime
import hashlib
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b'Content-Length: 29\r\n\r\n{"data":{"version":"9.2.11"}}'
)
Reply = Callable[[ssl.SSLSocket], None]


def make_certificate(path: Path) -> str:
    """Write a self-signed certificate for 127.0.0.1 with its key; returns its SHA-256 in hex."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pve1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest().upper()


def answer(connection: ssl.SSLSocket) -> None:
    connection.sendall(ANSWER)


def hang_up(connection: ssl.SSLSocket) -> None:
    """The answer never comes."""


@dataclass
class TlsServer:
    """Serves one connection after the other. `received` has what came in by each, decrypted."""

    certificate: Path
    reply: Reply = answer
    received: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(10)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._socket.getsockname()[1]}"

    async def serve(self, connections: int = 1) -> None:
        """Returns when this many connections have come and gone."""
        await asyncio.to_thread(self._serve, connections)

    def close(self) -> None:
        self._socket.close()

    def _serve(self, connections: int) -> None:
        for _ in range(connections):
            plain, _address = self._socket.accept()
            plain.settimeout(10)
            self.received.append(self._exchange(plain))

    def _exchange(self, plain: socket.socket) -> bytes:
        data = b""
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                while b"\r\n\r\n" not in data and (chunk := connection.recv(65536)):
                    data += chunk
                if data:
                    self.reply(connection)
        except OSError:
            # The client went away in the middle of the handshake.
            plain.close()
        return data
