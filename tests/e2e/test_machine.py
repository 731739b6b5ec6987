"""A real machine in QEMU from launch to deletion, seen from inside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from passlib.hash import sha512_crypt

from e2e.local_cloud import NOTHING, LocalCloud, Shell, eventually, new_key, operate

pytestmark = pytest.mark.e2e
PATIENCE = 60.0
# All that the contract's patterns let through, with what a shell, YAML, a URL or Proxmox VE would make of it.
PASSWORD = "correct-horse-7$(touch\t/pwned)#%41&:!*~?[é]"
COMMENT = 'it\'s "me" $(touch /pwned) `touch /pwned`; touch /pwned & | > ~ \\ {a:b} [x#y] %0a %41 ünï 𝕏'
USER_DATA = """#cloud-config
write_files:
- path: /srv/it's here/message
  content: |
    "$HOME" `id` 'ünïcode'
  permissions: '0600'
runcmd:
- echo began >> /srv/log
- [sh, -c, 'hostname >> /srv/log; id -un >> /srv/log']
"""
METADATA = {"project": "e2e", "note: #1": COMMENT, "password": "a\nruncmd: [touch /pwned]"}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that has a comment which a shell would make something of."""
    return new_key(tmp_path_factory.mktemp("key"), COMMENT)


def test_a_machine_s_whole_life(cloud: LocalCloud, key: Path) -> None:
    size = ("--vcpus", "2", "--memory-gb", "8", "--disk-gb", "250", "--gpus", "1", "--gpu-model", "A4000")
    operate(cloud.data, "type", "add", "test_gpu", "--description", "Small, with a GPU", "--cents", "50", *size)
    launch = {
        "region": "us-east-1",
        "instance_type": "test_gpu",
        "template_name": "TINY-LINUX",
        "username": "captain",
        "name": "first-mate",
        "ssh_key": key.with_suffix(".pub").read_text(),
        "password": PASSWORD,
        "metadata": METADATA,
        "user_data": USER_DATA,
    }
    answer = cloud.api.post("/instances/launch-instance", json=launch)
    cloud.completed(answer)
    instance_id = answer.json()["vm_uuid"]
    instance = f"/instances/{instance_id}"
    shown = cloud.api.get(instance).json()
    shell = Shell(key, "captain", shown["ip_address"], shown["ssh_port"], lasting=True)

    assert shown["metadata"] == METADATA
    finds_what_was_asked_for(shell)
    took_it_for_text(shell, key)
    did_what_it_was_given_to_do(shell)
    moves_under_load(cloud, instance, shell)
    power_works(cloud, instance, shell)
    a_new_name_arrives(cloud, instance, shell)
    runs_what_is_needed_only(cloud, instance_id)

    assert cloud.api.delete(instance).json()["status"] == "success"
    assert cloud.left_of(instance_id) == NOTHING
    assert cloud.api.get(instance).status_code == 404


def finds_what_was_asked_for(shell: Shell) -> None:
    assert shell.run("whoami") == "captain"
    assert shell.run("hostname") == "first-mate"
    assert shell.run("nproc") == "2"
    memory_kb = int(shell.run("awk '/MemTotal/ {print $2}' /proc/meminfo"))
    assert 7.5 * 1024**2 < memory_kb <= 8 * 1024**2
    disk_kb = int(shell.run("df -k / | awk 'END {print $2}'"))
    assert 235 * 1024**2 < disk_kb <= 250 * 1024**2
    assert "TINY-LINUX" in shell.run("cat /etc/os-release").upper()
    assert shell.run("cat /sys/bus/pci/devices/*/class | grep -c 0x0380") == "1"
    assert shell.run("sudo id -u") == "0"
    assert "$6$" in shell.run("sudo grep ^captain: /etc/shadow")


def took_it_for_text(shell: Shell, key: Path) -> None:
    """What was sent is there to the letter, and nothing was made of it."""
    assert shell.run("cat ~/.ssh/authorized_keys") == key.with_suffix(".pub").read_text().strip()
    hashed = shell.run("sudo grep ^captain: /etc/shadow").split(":")[1]
    assert sha512_crypt.verify(PASSWORD, hashed)
    assert shell.run("find / -xdev -name '*pwned*' 2>/dev/null | wc -l") == "0"
    assert shell.run("awk -F: '$3 >= 1000 && $3 < 60000 {print $1}' /etc/passwd") == "captain"


def did_what_it_was_given_to_do(shell: Shell) -> None:
    """Once: at its first boot."""
    eventually(lambda: shell.attempt("cat /srv/log").stdout == "began\nfirst-mate\nroot\n", PATIENCE)
    assert shell.run('sudo cat "/srv/it\'s here/message"') == "\"$HOME\" `id` 'ünïcode'"
    assert shell.run('sudo stat -c %a "/srv/it\'s here/message"') == "600"


def moves_under_load(cloud: LocalCloud, instance: str, shell: Shell) -> None:
    calm = cloud.api.get(f"{instance}/stats").json()
    assert calm["status"] == "running"
    assert calm["memory"]["total_bytes"] == 8 * 1024**3
    assert calm["memory"]["used_bytes"] > 0
    shell.run("timeout 60 sh -c 'while :; do :; done' >/dev/null 2>&1 </dev/null & echo $! >load")
    busy = eventually(lambda: stats_when(cloud, instance, lambda stats: stats["cpu"]["usage_percent"] > 10), PATIENCE)
    assert busy["uptime_seconds"] > 0
    shell.run("kill $(cat load)")
    shell.run("dd if=/dev/urandom of=big bs=1M count=1 2>/dev/null; sync; cat big; rm big")
    for part, total in (("disk", "write_bytes_total"), ("network", "out_bytes_total")):
        enough = calm[part][total] + 1_000_000
        eventually(lambda: stats_when(cloud, instance, lambda stats: stats[part][total] >= enough), PATIENCE)  # noqa: B023


def stats_when(cloud: LocalCloud, instance: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    stats: dict[str, Any] = cloud.api.get(f"{instance}/stats").json()
    return stats if wanted(stats) else None


def boot_id(shell: Shell) -> str:
    return shell.run("cat /proc/sys/kernel/random/boot_id")


def power_works(cloud: LocalCloud, instance: str, shell: Shell) -> None:
    before = boot_id(shell)
    host_key = shell.host_key()
    shell.hang_up()
    rebooted = cloud.api.post(f"{instance}/reboot")
    assert rebooted.json()["status"] in {"success", "PENDING"}
    cloud.completed(rebooted)
    assert boot_id(shell) != before

    shell.hang_up()
    cloud.completed(cloud.api.post(f"{instance}/shutdown"))
    assert cloud.api.get(instance).json()["power_status"] == "stopped"
    assert cloud.machines(instance.rpartition("/")[2]) == []
    cloud.completed(cloud.api.post(f"{instance}/power-on"))
    assert shell.host_key() == host_key


def a_new_name_arrives(cloud: LocalCloud, instance: str, shell: Shell) -> None:
    assert cloud.api.put(f"{instance}/rename", json={"name": "second_mate"}).status_code == 200
    assert shell.run("hostname") == "first-mate"
    shell.hang_up()
    cloud.completed(cloud.api.post(f"{instance}/power-cycle"))
    assert shell.run("hostname") == "second-mate"
    assert shell.run("whoami") == "captain"
    did_what_it_was_given_to_do(shell)


def runs_what_is_needed_only(cloud: LocalCloud, instance_id: str) -> None:
    assert len(cloud.machines(instance_id)) == 1
    texts = [path.read_bytes() for path in cloud.data.glob("logs/*.log")]
    assert not any(b"correct-horse" in text for text in texts)
