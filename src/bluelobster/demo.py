"""`bluelobster demo`: the cloud, and in it a first machine, with the commands that a customer would type."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import click

from bluelobster.admin.session import data_directory
from bluelobster.local.cloud import PYTHON, Cloud, Wishes
from bluelobster.local.errors import CloudError
from bluelobster.local.output import say
from bluelobster.system_packages import SSH, CannotInstall, ensure_packages
from bluelobster.up import stay_up, up_options

NAME = "demo"
PROGRAM = os.environ.get("BLUELOBSTER_PROGRAM", "bluelobster")
QUESTIONS = (
    'echo "I am $(whoami) on $(hostname), up $(cut -d. -f1 /proc/uptime) s";'
    ' . /etc/os-release; echo "system     $PRETTY_NAME, kernel $(uname -r)";'
    ' echo "processors $(nproc)";'
    " awk '/MemTotal/ {printf \"memory     %.1f GiB\\n\", $2 / 1048576}' /proc/meminfo;"
    " df -h / | awk 'END {print \"disk       \" $2}'"
)


@click.command()
@up_options
def command(data: str | None, port: int, guests: str, keep_guests: bool) -> None:
    """Start everything, launch a real machine, log in to it, and stay up."""
    sys.exit(asyncio.run(stay_up(Wishes(data_directory(data), port, guests, keep_guests), launch_and_log_in)))


async def launch_and_log_in(cloud: Cloud) -> None:
    """Launch a machine with the command line, and ask it what it is."""
    try:
        ensure_packages(SSH, say)
    except CannotInstall as error:
        raise CloudError(str(error)) from error
    key = demo_key(cloud.wishes.data)
    known = {each["name"]: each for each in json.loads(await customer(cloud, "list", "--json", quiet=True))}
    if NAME not in known:
        say("")
        say(f"$ {PROGRAM} launch --name {NAME} --ssh-key {shlex.quote(f'{key}.pub')}")
        await customer(cloud, "launch", "--name", NAME, "--ssh-key", f"{key}.pub", "--username", "lobster")
    elif known[NAME]["power_status"] != "running":
        say("")
        say(f"$ {PROGRAM} power-on {NAME}")
        await customer(cloud, "power-on", NAME)
    if cloud.guests == "qemu":
        say("")
        say(f"$ {PROGRAM} ssh {NAME}")
        await customer(cloud, "ssh", "-i", str(key), NAME, QUESTIONS)


def demo_key(data: Path) -> Path:
    """An SSH key for the demonstration, made once."""
    key = data / "demo_key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(key)], check=True)
    return key


async def customer(cloud: Cloud, *arguments: str, quiet: bool = False) -> str:
    """Run one of the customer's commands, as they would; its output when `quiet`. Raises CloudError."""
    process = await asyncio.create_subprocess_exec(
        *PYTHON,
        "bluelobster",
        *arguments,
        stdout=asyncio.subprocess.PIPE if quiet else None,
        env={**os.environ, "BLUELOBSTER_API_URL": cloud.api_url, "BLUELOBSTER_API_KEY": cloud.customer_key},
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        raise
    if process.returncode != 0:
        raise CloudError(f"`bluelobster {arguments[0]}` ended with status {process.returncode}")
    return (output or b"").decode()
