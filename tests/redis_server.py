"""A real Redis for one test, on a socket in its own folder; it can be killed, frozen and started again."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud import eventually

PROGRAM = next(filter(None, map(shutil.which, ("redis-server", "valkey-server", "redis-check-rdb"))), None)


class RedisServer:
    """Keeps nothing when it is ended."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    async def start(self) -> None:
        self._spawn()
        await eventually(self._is_there)

    def _spawn(self) -> None:
        settings = ("--port", "0", "--unixsocket", str(self._socket), "--save", "", "--dir", str(self._folder))
        log = self._folder / "redis.log"
        # The program is a server by the name that it is called with.
        self._process = subprocess.Popen(
            ["redis-server", *settings, "--logfile", str(log)], executable=PROGRAM, stdout=subprocess.DEVNULL
        )

    async def _is_there(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self._socket)) == 0

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._socket.unlink(missing_ok=True)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and says nothing."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)
