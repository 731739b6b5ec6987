"""The running API against its own description, by schemathesis: no 5xx, no undocumented status, no schema violation."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from cloud import TestCloud
from served import served

pytestmark = pytest.mark.long

PROGRAM = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SECONDS = 600
# Staff may do everything: with their key the edges of what each parameter takes are gone along as well.
PHASES = {"customer": ("Examples", "Fuzzing"), "staff": ("Examples", "Coverage", "Fuzzing")}


async def stock(cloud: TestCloud) -> None:
    """Something that the requests may find."""
    instance_id = await cloud.launched(name="found")
    team = (await cloud.customer.post("/teams", json={"name": "Research"})).json()
    await cloud.customer.put(f"/instances/{instance_id}/team", json={"team_id": team["id"]})
    await cloud.customer.post(f"/teams/{team['id']}/members", json={"email": "ada@example.com"})


@pytest.mark.parametrize("who", PHASES)
async def test_the_api_does_what_its_description_says(cloud: TestCloud, tmp_path: Path, who: str) -> None:
    await stock(cloud)
    key = getattr(cloud, who).headers["X-API-Key"]
    async with served(cloud.app) as running:
        description = f"{running.url.removesuffix('/api/v1')}/openapi.json"
        # A program of its own, because it minds whoever else uses Python's random numbers.
        process = await asyncio.create_subprocess_exec(
            *(PROGRAM, "--config-file", CONFIGURATION, "run", description, "--header", f"X-API-Key: {key}"),
            *("--no-color", f"--phases={','.join(PHASES[who]).lower()}"),
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
    for phase in PHASES[who]:
        assert f"✅  {phase}" in report, report
