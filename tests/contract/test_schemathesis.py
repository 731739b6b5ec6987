"""The running API against its own description, by schemathesis: no 5xx, no undocumented status, no schema violation."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from cloud import LAUNCH, TestCloud
from served import served

pytestmark = pytest.mark.long

PROGRAM = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SECONDS = 600
PHASES = ("Examples", "Coverage", "Fuzzing")


async def stock(cloud: TestCloud) -> None:
    """Something that the requests may find."""
    launched = (await cloud.staff.post("/instances/launch-instance", json={**LAUNCH, "name": "found"})).json()
    team = (await cloud.staff.post("/teams", json={"name": "Research"})).json()
    await cloud.staff.put(f"/instances/{launched['vm_uuid']}/team", json={"team_id": team["id"]})
    await cloud.staff.post(f"/teams/{team['id']}/members", json={"email": "ada@example.com"})


async def test_the_api_does_what_its_description_says(cloud: TestCloud, tmp_path: Path) -> None:
    """Asked by staff, who may do everything."""
    await stock(cloud)
    key = cloud.staff.headers["X-API-Key"]
    async with served(cloud.app) as running:
        description = f"{running.url.removesuffix('/api/v1')}/openapi.json"
        # A program of its own, because it minds whoever else uses Python's random numbers.
        process = await asyncio.create_subprocess_exec(
            *(PROGRAM, "--config-file", CONFIGURATION, "run", description, "--header", f"X-API-Key: {key}"),
            *("--no-color", f"--phases={','.join(PHASES).lower()}"),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(SECONDS):
                output, _ = await process.communicate()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    report = output.decode()
    assert process.returncode == 0, report
    for phase in PHASES:
        assert f"✅  {phase}" in report, report
