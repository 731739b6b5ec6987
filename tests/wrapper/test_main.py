"""The command line's own process, whatever it is given to read and write."""

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
BLUELOBSTER = (sys.executable, "-P", "-m", "bluelobster")


def test_output_that_has_no_room_is_told_in_a_line() -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run((*BLUELOBSTER, "--help"), stdout=full, stderr=subprocess.PIPE, cwd=SOURCE, check=False)
    assert ended.stderr.decode() == "bluelobster: cannot write the output: No space left on device\n"
    assert ended.returncode == 1


def test_nobody_is_asked_where_there_is_no_input() -> None:
    host = (
        "admin",
        "host",
        "add",
        "pve1",
        "--region",
        "us-east-1",
        "--address",
        "https://127.0.0.1:1",
        "--storage",
        "s",
    )
    shell = ("sh", "-c", 'exec "$@" <&-', "sh", *BLUELOBSTER, *host)
    ended = subprocess.run(shell, capture_output=True, cwd=SOURCE, check=False)
    assert b"give the token in the environment" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert ended.returncode == 1
