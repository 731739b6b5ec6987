"""Run as a script: owns an embedded server on the given folder, says where it is, and waits to be killed."""

import asyncio
import json
import sys
from pathlib import Path

from bluelobster.db.embedded import EmbeddedPostgres


async def own(folder: Path) -> None:
    async with EmbeddedPostgres(folder, for_tests=True) as server:
        print(json.dumps({"pid": server.pid, "dsn": server.dsn}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(own(Path(sys.argv[1])))
