"""The folder in which the processes of one run of the tests meet."""

import os
from pathlib import Path

VARIABLE = "BLUELOBSTER_TEST_RUN"


def run_folder() -> Path:
    return Path(os.environ[VARIABLE])
