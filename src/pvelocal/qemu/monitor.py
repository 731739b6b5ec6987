"""A guest's QEMU monitor (QMP), connected when it is first needed and again when it was lost."""

import asyncio
import contextlib
from pathlib import Path

from qemu.qmp import ExecuteError, QMPClient, QMPError, Runstate

from pvelocal.hypervisor import HypervisorError

_CONNECT_SECONDS = 5.0
_COMMAND_SECONDS = 10.0


class Monitor:
    """Commands to one QEMU. A socket serves one client at a time: there must be one Monitor a socket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client: QMPClient | None = None
        self._connecting = asyncio.Lock()

    async def execute(self, command: str, timeout_seconds: float = _COMMAND_SECONDS, **arguments: object) -> object:
        """QEMU's answer; HypervisorError when it refuses, is not there, or takes too long."""
        client = await self._connected()
        words = {name.replace("_", "-"): value for name, value in arguments.items()}
        try:
            async with asyncio.timeout(timeout_seconds):
                return await client.execute(command, words)
        except TimeoutError as error:
            raise HypervisorError(f"QEMU did not answer '{command}' - got timeout") from error
        except ExecuteError as error:
            raise HypervisorError(f"QEMU refused '{command}': {error}") from error
        except QMPError as error:
            raise HypervisorError(f"QEMU ended during '{command}'") from error

    async def close(self) -> None:
        """Disconnect; the next command connects again."""
        async with self._connecting:
            await self._drop()

    async def _connected(self) -> QMPClient:
        async with self._connecting:
            if self._client is not None and self._client.runstate is Runstate.RUNNING:
                return self._client
            await self._drop()
            client = QMPClient(self._path.name)
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await client.connect(str(self._path))
            except (QMPError, OSError, TimeoutError) as error:
                raise HypervisorError(f"QEMU's monitor cannot be reached ({self._path.name})") from error
            self._client = client
            return client

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            # It raises what broke the connection, which whoever was waiting has been told.
            with contextlib.suppress(QMPError, OSError, EOFError):
                await client.disconnect()
