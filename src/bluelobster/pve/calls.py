"""What all groups of calls share: a transport and the node they are made to."""

from urllib.parse import quote

from bluelobster.pve.errors import UnexpectedAnswer
from bluelobster.pve.fields import string
from bluelobster.pve.transport import Transport
from bluelobster.pve.upid import Upid


class Calls:
    """Calls to one node through one transport."""

    def __init__(self, transport: Transport, node: str) -> None:
        self._transport = transport
        self._node = node

    def _path(self, *parts: str | int) -> str:
        """A path below the node; every part is escaped, slashes included."""
        return node_path(self._node, *parts)


def node_path(node: str, *parts: str | int) -> str:
    """A path below any node."""
    return "/".join(["/nodes", quote(node, safe=""), *(quote(str(part), safe=":@!") for part in parts)])


def upid_of(answer: object) -> Upid:
    """The task that a call started."""
    try:
        return Upid.parse(string(answer))
    except ValueError as error:
        raise UnexpectedAnswer(str(error)) from error


def optional_upid_of(answer: object) -> Upid | None:
    """The task that a call started, or None when it was done at once."""
    return None if answer is None else upid_of(answer)
