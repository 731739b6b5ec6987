"""Running the short-lived programs of QEMU."""

import asyncio
from pathlib import Path

from pvelocal.hypervisor import HypervisorError


async def run(*command: str | Path, timeout_seconds: float = 60.0, text: str | None = None) -> str:
    """Standard output; HypervisorError with the program's words when it fails or takes too long. `text` is what it
    reads from its standard input."""
    name = Path(command[0]).name
    process = await asyncio.create_subprocess_exec(
        *(str(word) for word in command),
        stdin=asyncio.subprocess.DEVNULL if text is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            output, errors = await process.communicate(None if text is None else text.encode())
    except TimeoutError as error:
        raise HypervisorError(f"{name} did not finish within {timeout_seconds:.0f} s - got timeout") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        words = errors.decode(errors="replace").strip()
        raise HypervisorError(f"{name} failed: {words or f'exit code {process.returncode}'}")
    return output.decode()
