"""The processes that a local cloud consists of: started together, ended together."""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
LAST_LINES = 15
LIBC = ctypes.CDLL(None, use_errno=True)


class ChildFailed(Exception):
    """A process ended that should not have. `name` says which."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass
class Child:
    """One process, and where it writes its log, behind what earlier runs wrote."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    log_begins: int

    async def ended(self) -> None:
        """Returns only by raising ChildFailed."""
        status = await self.process.wait()
        if status < 0:
            raise ChildFailed(self.name, f"the {self.name} was ended by {signal.Signals(-status).name}")
        text = f"the {self.name} ended with status {status}; the end of {self.log}:\n{self.last_lines()}"
        raise ChildFailed(self.name, text)

    def last_lines(self) -> str:
        try:
            lines = self.log.read_bytes()[self.log_begins :].decode(errors="replace").splitlines()
        except OSError as error:
            lines = [f"(the log cannot be read: {error.strerror})"]
        return "\n".join(f"  {line}" for line in lines[-LAST_LINES:])

    async def stop(self, patience_seconds: float) -> None:
        """Ask it to end; kill it when it does not."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(patience_seconds):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


async def start_child(name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
    """Start a process that ends when we do, whatever becomes of us; it hears no Ctrl-C but from us."""
    parent = os.getpid()

    def tie_to_parent() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    with log.open("ab") as output:
        log_begins = output.tell()
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
            preexec_fn=tie_to_parent,
        )
    return Child(name, process, log, log_begins)
