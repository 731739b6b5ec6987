"""Reads an upload as strictly as Proxmox VE's own server, which is no general reader of multipart forms."""

import re
from dataclasses import dataclass

_FIELD = rb'Content-Disposition: form-data; name="(content|checksum|checksum-algorithm)"\r\n\r\n(.*)\r\n'
# The disposition has to be the first header of the file's part, and the file name the last thing in its line.
_FILE = rb'Content-Disposition: form-data; name="filename"; filename="([^"]+)"\r\n(?:[^\r\n]+\r\n)*\r\n(.*)'


@dataclass(frozen=True)
class Upload:
    """What the server understood: the fields before the file, `filename` among them, and the file."""

    fields: dict[str, str]
    content: bytes


def parse_upload(content_type: str, body: bytes) -> Upload:
    """Raises ValueError when the server would answer `upload failed`."""
    found = re.fullmatch(r"multipart/form-data; boundary=(\S+)", content_type)
    if not found:
        raise ValueError("no boundary")
    delimiter = b"--" + found[1].encode()
    before, closing, after = body.rpartition(b"\r\n" + delimiter + b"--")
    if not closing or after != b"\r\n":
        raise ValueError("the form is not closed")
    *parts, file = before.split(delimiter + b"\r\n")[1:]
    upload = re.fullmatch(_FILE, file, re.DOTALL)
    fields = [re.fullmatch(_FIELD, part) for part in parts]
    if not upload or not all(fields):
        raise ValueError("the parts are not fields and then the file")
    named = {field[1].decode(): field[2].decode() for field in fields if field}
    return Upload({**named, "filename": upload[1].decode()}, upload[2])
