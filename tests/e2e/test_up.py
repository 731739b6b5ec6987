"""`up` itself: started twice, killed, started again, with machines that stay."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from e2e.local_cloud import STOP_SECONDS, command_of, credentials_since, eventually, opened, processes_of, up

pytestmark = pytest.mark.long


def test_data_and_machines_are_found_again(tmp_path: Path) -> None:
    """After a death without a word; and Ctrl-C ends everything."""
    data = tmp_path / "data"
    started = time.time_ns()
    with data.with_name("data.up.log").open("ab") as log:
        victim = subprocess.Popen(command_of(data, "simulated"), stdout=log, stderr=log)
    credentials_since(data, started, lambda: victim.poll() is None)
    credentials = (data / "credentials.json").read_text()
    with opened(data) as cloud:
        launch = {"region": "us-east-1", "instance_type": "v1_cpu_small", "username": "a", "password": "correct-horse"}
        answer = cloud.api.post("/instances/launch-instance", json=launch)
        cloud.completed(answer)
        another_is_told(data, cloud.api.base_url.port)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    eventually(lambda: not processes_of(data), STOP_SECONDS)
    with up(data, "auto", "--keep-guests") as cloud:
        assert cloud.api.get("/health").json()["status"] == "healthy"
        assert cloud.api.get("/instances").json()[0]["uuid"] == answer.json()["vm_uuid"]
        keys = [each["api_key"] for each in json.loads(credentials)["accounts"]]
        assert keys == [each["api_key"] for each in json.loads((data / "credentials.json").read_text())["accounts"]]
        assert (data / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert processes_of(data) == []


def another_is_told(data: Path, port: int | None) -> None:
    second = subprocess.run(command_of(data, "auto", "--port", str(port)), capture_output=True, text=True)
    assert second.returncode == 1
    assert f"another `up` is running on {data}" in second.stderr
    assert "Traceback" not in second.stderr
