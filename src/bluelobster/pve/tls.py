"""Trust in one certificate: its fingerprint is compared before a byte of the request is sent."""

import hashlib
import hmac
import ssl


class WrongCertificate(ssl.SSLCertVerificationError):
    """The peer's certificate is not the pinned one."""

    def __str__(self) -> str:
        return str(self.args[0])


def tls_context(fingerprint: str | None) -> ssl.SSLContext:
    """A client's TLS settings: the pinned certificate alone, or the system's authorities with None.

    `fingerprint` is the SHA-256 of the certificate in upper-case hex without colons. A handshake with another
    certificate raises WrongCertificate.
    """
    if fingerprint is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslobject_class = _pinned_to(fingerprint)
    return context


def _pinned_to(fingerprint: str) -> type[ssl.SSLObject]:
    class PinnedConnection(ssl.SSLObject):
        """asyncio and anyio both finish a handshake here, before they hand over the connection."""

        def do_handshake(self) -> None:
            super().do_handshake()
            seen = hashlib.sha256(self.getpeercert(binary_form=True) or b"").hexdigest().upper()
            if not hmac.compare_digest(seen, fingerprint):
                raise WrongCertificate(f"the server's certificate is {seen}, expected was {fingerprint}")

    return PinnedConnection
