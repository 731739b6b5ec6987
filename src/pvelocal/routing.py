"""From a method and a path to what answers it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from aiohttp import web

from pvelocal.access import Token
from pvelocal.errors import ApiError
from pvelocal.faults import Fault
from pvelocal.hypervisor import HypervisorError
from pvelocal.node import Node
from pvelocal.tasks import Task, Work
from pvelocal.verification import Value, verify

Permission = Callable[[Token, Mapping[str, str]], None]
"""Raises ApiError 403 when the token may not make a call with these raw parameters."""


@dataclass(frozen=True)
class Listing:
    """An answer with a `total` beside its data."""

    data: Sequence[object]
    total: int


@dataclass(frozen=True)
class Call:
    """A call being answered: who asks what, with parameters that were verified."""

    node: Node
    token: Token
    parameters: Mapping[str, Value]
    faults: Sequence[Fault] = ()

    def text(self, name: str, default: str = "") -> str:
        """A parameter as text."""
        return str(self.parameters.get(name, default))

    def number(self, name: str, default: int = 0) -> int:
        """A parameter as an integer."""
        return int(self.parameters.get(name, default))

    def flag(self, name: str) -> bool:
        """Whether a boolean parameter is set to true."""
        return bool(self.parameters.get(name, 0))

    @property
    def vmid(self) -> int:
        """The VM that the call is about."""
        return self.number("vmid")

    def start(self, kind: str, subject: str, work: Work, abandon: Work | None = None) -> str:
        """Begin a task and return its UPID. `abandon` cleans up behind work that fails."""
        for fault in self.faults:
            work = fault.work(work)
        return self.node.tasks.start(kind, subject, self.token, work if abandon is None else _tidy(work, abandon))


def _tidy(work: Work, abandon: Work) -> Work:
    async def tidied(task: Task) -> None:
        try:
            await work(task)
        except (ApiError, HypervisorError):
            await abandon(task)
            raise

    return tidied


Handler = Callable[[Call], Awaitable[object]]
StreamHandler = Callable[[Node, Token, web.BaseRequest, Mapping[str, str], Sequence[Fault]], Awaitable[object]]


@dataclass(frozen=True)
class Route:
    """A call that the node answers. A `stream` handler reads the body itself and verifies its parameters."""

    method: str
    path: str
    handler: Handler | None = None
    permission: Permission | None = None
    stream: StreamHandler | None = None

    @property
    def name(self) -> str:
        """The key of its parameters."""
        return f"{self.method} {self.path}"

    def verify(self, parameters: Mapping[str, str]) -> dict[str, Value]:
        """The typed parameters."""
        return verify(self.name, parameters)


@dataclass
class _Branch:
    literal: dict[str, "_Branch"] = field(default_factory=dict)
    variable: "_Branch | None" = None
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)


class Routes:
    """All routes, by path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root = _Branch()
        for route in routes:
            branch, names = self._root, []
            for segment in route.path.strip("/").split("/"):
                if segment.startswith("{"):
                    names.append(segment[1:-1])
                    branch.variable = branch.variable or _Branch()
                    branch = branch.variable
                else:
                    branch = branch.literal.setdefault(segment, _Branch())
            branch.routes[route.method] = (route, tuple(names))

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a percent-encoded path, with the values of its variables; None when there is none."""
        branch: _Branch | None = self._root
        values: list[str] = []
        for segment in raw_path.strip("/").split("/"):
            if branch is None:
                return None
            following = branch.literal.get(segment)
            if following is None:
                following = branch.variable
                values.append(unquote(segment))
            branch = following
        if branch is None or method not in branch.routes:
            return None
        route, names = branch.routes[method]
        return route, dict(zip(names, values, strict=True))


def needs(path: str, *privileges: str) -> Permission:
    """One of the privileges on `path`, whose `{names}` are parameters of the call."""

    def check(token: Token, parameters: Mapping[str, str]) -> None:
        token.require(path.format_map(parameters), *privileges)

    return check
