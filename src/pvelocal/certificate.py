"""The node's TLS certificate, of its own making, which clients pin by its fingerprint."""

import datetime
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATE = "certificate.pem"
_VALID = datetime.timedelta(days=3650)


def load_certificate(data: Path, node: str) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context and the certificate's SHA-256 fingerprint (`AA:BB:…`). Both are made at the first call,
    and where a power failure left files that are no use."""
    key_path, certificate_path = data / "key.pem", data / CERTIFICATE
    try:
        return _loaded(key_path, certificate_path)
    except (FileNotFoundError, ssl.SSLError):
        _make(key_path, certificate_path, node)
        return _loaded(key_path, certificate_path)


def _loaded(key_path: Path, certificate_path: Path) -> tuple[ssl.SSLContext, str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_path, key_path)
    certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    return context, certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _make(key_path: Path, certificate_path: Path, node: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
    now = datetime.datetime.now(datetime.UTC)
    names = [
        x509.DNSName(node),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, encryption = serialization.Encoding.PEM, serialization.NoEncryption()
    _write(key_path, key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, encryption))
    _write(certificate_path, certificate.public_bytes(encoding))


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
