"""What a customer gives a machine to do at its first boot is done by a real guest, once."""

from pathlib import Path

import pytest

from e2e.local_cloud import NOTHING, LocalCloud, Shell, eventually
from e2e.shared_cloud import SMALL

pytestmark = pytest.mark.e2e
PATIENCE = 60.0
CONFIG = """#cloud-config
write_files:
- path: /srv/it's here/message
  content: |
    "$HOME" `id` 'ünïcode'
  permissions: '0600'
runcmd:
- echo began >> /srv/log
- [sh, -c, 'hostname >> /srv/log; id -un >> /srv/log']
"""
SCRIPT = """#!/bin/sh
mkdir /srv
echo began >> /srv/log
exit 7
"""


def launched(cloud: LocalCloud, key: Path, name: str, user_data: str) -> tuple[str, Shell]:
    body = {
        "region": "us-east-1",
        "instance_type": SMALL,
        "template_name": "TINY-LINUX",
        "username": "captain",
        "name": name,
        "ssh_key_names": ["mine"],
        "user_data": user_data,
    }
    answer = cloud.api.post("/instances/launch-instance", json=body, headers={"Idempotency-Key": name})
    cloud.completed(answer)
    path = f"/instances/{answer.json()['vm_uuid']}"
    shown = cloud.api.get(path).json()
    return path, Shell(key, "captain", shown["ip_address"], shown["ssh_port"], lasting=True)


def says(shell: Shell, command: str, expected: str) -> None:
    def look() -> bool:
        done = shell.attempt(command)
        return done.returncode == 0 and done.stdout == expected

    eventually(look, PATIENCE)


def test_user_data_in_a_real_guest(cloud: LocalCloud, key: Path) -> None:
    registered = {"name": "mine", "public_key": key.with_suffix(".pub").read_text()}
    assert cloud.api.post("/ssh-keys", json=registered).status_code == 201
    path, shell = launched(cloud, key, "with-config", CONFIG)
    says(shell, "cat /srv/log", "began\nwith-config\nroot\n")
    assert shell.run('sudo cat "/srv/it\'s here/message"') == "\"$HOME\" `id` 'ünïcode'"
    assert shell.run('sudo stat -c %a "/srv/it\'s here/message"') == "600"

    assert cloud.api.put(f"{path}/rename", json={"name": "renamed"}).status_code == 200
    shell.hang_up()
    cloud.completed(cloud.api.post(f"{path}/power-cycle"))
    says(shell, "hostname", "renamed\n")
    assert shell.run("cat /srv/log") == "began\nwith-config\nroot"

    other, shell = launched(cloud, key, "with-script", SCRIPT)
    says(shell, "cat /srv/log", "began\n")
    says(shell, "sudo tail -n 1 /var/log/user-script.log", "ended with status 7\n")
    for each in (path, other):
        instance_id = each.rpartition("/")[2]
        assert cloud.api.delete(each).status_code == 200
        assert list((cloud.data / "node" / "template" / "iso").glob(f"*{instance_id}*")) == []
        assert cloud.left_of(instance_id) == NOTHING
