"""`up` itself: started twice, killed, started again, with machines that stay."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.local_cloud import eventually, up

pytestmark = pytest.mark.long


def children_of(data: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(data).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def test_data_and_machines_are_found_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with up(data, "simulated", "--keep-guests") as cloud:
        launch = {"region": "us-east-1", "instance_type": "v1_cpu_small", "username": "a", "password": "correct-horse"}
        answer = cloud.api.post("/instances/launch-instance", json=launch)
        cloud.completed(answer)
        credentials = (data / "credentials.json").read_text()
        second = subprocess.run(
            [sys.executable, "-P", "-m", "bluelobster", "up", "--data", str(data), "--port", "0"],
            capture_output=True,
            text=True,
        )
        assert second.returncode == 1
        assert str(data) in second.stderr
        assert "Traceback" not in second.stderr
    with up(data, "auto") as cloud:
        assert cloud.api.get("/instances").json()[0]["uuid"] == answer.json()["vm_uuid"]
        keys = [each["api_key"] for each in json.loads(credentials)["accounts"]]
        assert keys == [each["api_key"] for each in json.loads((data / "credentials.json").read_text())["accounts"]]
        assert (data / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert children_of(data) == []


def test_killed_and_started_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-P", "-m", "bluelobster", "up", "--data", str(data), "--port", "0"]
    with (tmp_path / "log").open("wb") as log:
        victim = subprocess.Popen([*command, "--guests", "simulated"], stdout=log, stderr=log)
    eventually(lambda: (data / "credentials.json").exists(), 60)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    eventually(lambda: not children_of(data), 60)
    with up(data, "auto") as cloud:
        assert cloud.api.get("/health").json()["status"] == "healthy"
