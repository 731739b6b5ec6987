"""A real HTTP server on 127.0.0.1 that gives the answers which a test prepared."""

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, urlsplit

PREFIX = "/api/v1"


@dataclass(frozen=True)
class Reply:
    """One answer. `drop` closes the connection instead; `until` is waited for first."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    until: threading.Event | None = None

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Seen:
    """One request that came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object


class QuietServer(ThreadingHTTPServer):
    """A client that goes away in the middle of an answer is part of what is tested."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class FakeApi:
    """Prepared answers by method and path; the last one of a path is repeated."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.arrived = threading.Condition()
        self._replies: dict[tuple[str, str], list[Reply]] = defaultdict(list)
        self._server = QuietServer(("127.0.0.1", 0), handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def on(self, method: str, path: str, *replies: Reply) -> None:
        """Prepares the answers to a path below `/api/v1`."""
        self._replies[method, PREFIX + path] = list(replies)

    def give(self, path: str, *bodies: object) -> None:
        """Prepares successful answers to GET."""
        self.on("GET", path, *(Reply(body=body) for body in bodies))

    def requests(self, method: str, path: str) -> list[Seen]:
        return [seen for seen in self.seen if (seen.method, seen.path) == (method, PREFIX + path)]

    def wait_for(self, method: str, path: str, number: int = 1) -> None:
        """Returns once that many such requests came in."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self.requests(method, path)) >= number, timeout=10):
                raise TimeoutError(f"no {method} {path} came")

    def take(self, seen: Seen) -> Reply:
        with self.arrived:
            self.seen.append(seen)
            self.arrived.notify_all()
        replies = self._replies[seen.method, seen.path]
        if not replies:
            return Reply(404, {"error": "not_found", "message": f"Nothing at {seen.path}"})
        return replies.pop(0) if len(replies) > 1 else replies[0]


def handler_for(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.handle_any()

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

        def handle_any(self) -> None:
            url = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(content) if content else None
            headers = {key.lower(): value for key, value in self.headers.items()}
            reply = api.take(Seen(self.command, url.path, dict(parse_qsl(url.query)), headers, body))
            if reply.until:
                reply.until.wait(10)
            if reply.drop:
                self.close_connection = True
                return
            content = reply.content()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler
