"""A script that a customer gives a machine is run at its first boot."""

import pytest

from e2e.local_cloud import eventually
from e2e.machines.guest import Guest

pytestmark = pytest.mark.e2e
PATIENCE = 60.0


def test_a_script_is_run_and_its_end_noted(stranger: Guest) -> None:
    shell = stranger.shell
    eventually(lambda: shell.attempt("cat /srv/log").stdout == "began\n", PATIENCE)
    note = "sudo tail -n 1 /var/log/user-script.log"
    eventually(lambda: shell.attempt(note).stdout == "ended with status 7\n", PATIENCE)
