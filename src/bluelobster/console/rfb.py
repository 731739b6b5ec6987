"""The beginning of VNC's protocol (RFB, RFC 6143), as a server and as a client: versions and authentication."""

import re
import struct

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from bluelobster.console.stream import Wire

VERSION = b"RFB 003.008\n"
NO_AUTHENTICATION = 1
VNC_AUTHENTICATION = 2
CHALLENGE_BYTES = 16
LONGEST_REASON = 1024


class RfbError(Exception):
    """The other side does not speak the protocol, or does not let us in."""


def vnc_response(password: str, challenge: bytes) -> bytes:
    """What proves a password: the challenge in DES, with the password's first eight bytes as the key, each from
    its last bit to its first."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode()[:8].ljust(8, b"\0"))
    # Three times the same key makes single DES; ECB is the protocol's, too.
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(challenge) + encryptor.finalize()


async def greet(viewer: Wire) -> int:
    """Agree on a version with a viewer: 3, 7 or 8, for 3.3 and so on."""
    await viewer.write(VERSION)
    return _minor(await viewer.exactly(len(VERSION)))


async def offer(viewer: Wire, version: int, kind: int) -> None:
    """Offer one kind of authentication, which the viewer has to take."""
    if version == 3:
        await viewer.write(struct.pack(">I", kind))
        return
    await viewer.write(bytes((1, kind)))
    if (await viewer.exactly(1))[0] != kind:
        raise RfbError("the viewer wants another kind of authentication")


async def turn_away(viewer: Wire, version: int, reason: str) -> None:
    """Offer no kind of authentication at all, and say why."""
    none = struct.pack(">I", 0) if version == 3 else b"\0"
    await viewer.write(none + _counted(reason))


async def admit(viewer: Wire, version: int, kind: int) -> None:
    """Tell a viewer that it is let in."""
    if kind == VNC_AUTHENTICATION or version == 8:
        await viewer.write(struct.pack(">I", 0))


async def refuse(viewer: Wire, version: int, reason: str) -> None:
    """Tell a viewer that it is not let in; only newer ones learn why."""
    await viewer.write(struct.pack(">I", 1) + (_counted(reason) if version == 8 else b""))


async def log_in(screen: Wire, password: str) -> None:
    """Be let in by a server of version 3.8 or later, up to where the viewer's own initialization follows."""
    if _minor(await screen.exactly(len(VERSION))) < 8:
        raise RfbError("the server's version is too old")
    await screen.write(VERSION)
    kinds = await screen.exactly((await screen.exactly(1))[0])
    if VNC_AUTHENTICATION in kinds:
        await screen.write(bytes((VNC_AUTHENTICATION,)))
        await screen.write(vnc_response(password, await screen.exactly(CHALLENGE_BYTES)))
    elif NO_AUTHENTICATION in kinds:
        await screen.write(bytes((NO_AUTHENTICATION,)))
    else:
        reason = await _reason(screen) if not kinds else f"it offers only {list(kinds)}"
        raise RfbError(f"the server wants no password: {reason}")
    if await screen.exactly(4) != struct.pack(">I", 0):
        raise RfbError(f"the server refuses: {await _reason(screen)}")


def _minor(line: bytes) -> int:
    found = re.fullmatch(rb"RFB 00([0-9])\.([0-9]{3})\n", line)
    if not found or int(found[1]) < 3:
        raise RfbError("this is not VNC")
    minor = int(found[2]) if found[1] == b"3" else 8
    return 8 if minor >= 8 else 7 if minor == 7 else 3


def _counted(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">I", len(data)) + data


async def _reason(screen: Wire) -> str:
    (length,) = struct.unpack(">I", await screen.exactly(4))
    return (await screen.exactly(min(length, LONGEST_REASON))).decode(errors="replace")
