"""Makes `.venv` from the locked requirements. Run by the `bluelobster` script; uses the standard library only.

Run as `python -P -m bluelobster.bootstrap CHECKOUT run|dev`. The environment is built aside and renamed last; the locks
it was made from are copied into it and are what tells that it is complete and current.
"""

import contextlib
import fcntl
import importlib.resources
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

from bluelobster.system_packages import CannotInstall, install_packages

_LINES_SHOWN = 15


class CannotBootstrap(Exception):
    """The environment could not be made; the text says why and what to do."""


def main(arguments: list[str]) -> int:
    checkout, purpose = Path(arguments[0]), arguments[1]
    # Whoever may read the checkout may run what is installed in it.
    os.umask(0o022)
    try:
        bootstrap(checkout, purpose)
    except (CannotBootstrap, CannotInstall, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next run starts afresh")
        return 130
    return 0


def bootstrap(checkout: Path, purpose: str) -> None:
    """Makes the environment unless it is there already. Raises CannotBootstrap, CannotInstall, OSError."""
    if not os.access(checkout, os.W_OK):
        raise CannotBootstrap(
            f"{checkout} has no installed Python packages yet and you may not write there: "
            "run ./bluelobster once as its owner, or make a copy of your own"
        )
    with _lock(checkout) as lock:
        purposes = ["run", "dev"] if purpose == "dev" or (checkout / ".venv" / "dev.lock").exists() else ["run"]
        if not is_current(checkout, purposes):
            _make(checkout, purposes, lock)


def is_current(checkout: Path, purposes: list[str]) -> bool:
    """Whether the environment was completed from exactly these locks, and its Python still runs."""
    for purpose in purposes:
        made_from = checkout / ".venv" / f"{purpose}.lock"
        if not made_from.exists() or made_from.read_bytes() != _lock_file(checkout, purpose).read_bytes():
            return False
    return (checkout / ".venv" / "bin" / "python").exists()


def say(line: str) -> None:
    print(f"bluelobster: {line}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _lock(checkout: Path) -> Iterator[int]:
    lock = os.open(checkout, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another bluelobster that installs Python packages")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _make(checkout: Path, purposes: list[str], lock: int) -> None:
    started = time.monotonic()
    venv, aside, before = checkout / ".venv", checkout / ".venv.new", checkout / ".venv.old"
    for leftover in (aside, before):
        shutil.rmtree(leftover, ignore_errors=True)
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        install_packages([f"python{sys.version_info.major}.{sys.version_info.minor}-venv"], say)
    say("installing Python packages into .venv (one time, about 20 s)")
    aside.mkdir()
    # The interpreter by its real name: a link to it then breaks, and is noticed, when a newer Python replaces it.
    _run([os.path.realpath(sys.executable), "-m", "venv", "--without-pip", str(aside)], aside, lock)
    pip = [str(aside / "bin" / "python"), "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-input", "--no-deps", "--require-hashes", "--requirement", str(_lock_file(checkout, purposes[-1]))]
    _run(pip, aside, lock, path=_pip_wheel())
    _put_source_on_path(checkout, aside)
    _name_finally(aside, venv)
    for purpose in purposes:
        shutil.copyfile(_lock_file(checkout, purpose), aside / f"{purpose}.lock")
    _give_to_owner(checkout, aside)
    if venv.exists():
        venv.rename(before)
    aside.rename(venv)
    shutil.rmtree(before, ignore_errors=True)
    say(f"installed in {time.monotonic() - started:.0f} s")


def _lock_file(checkout: Path, purpose: str) -> Path:
    return checkout / "requirements" / f"{purpose}.lock"


def _pip_wheel() -> str:
    """Python's own copy of pip, which runs without being installed: that saves several seconds."""
    bundled = importlib.resources.files("ensurepip") / "_bundled"
    for folder in (sysconfig.get_config_var("WHEEL_PKG_DIR"), str(bundled)):
        for wheel in Path(folder or os.devnull).glob("pip-*.whl"):
            return str(wheel)
    raise CannotBootstrap(f"{sys.executable} comes without pip's wheel: its ensurepip is not complete")


def _run(command: list[str], aside: Path, lock: int, path: str = "") -> None:
    """Runs an installer. It inherits the lock, so that one which outlives us is waited for."""
    log = aside / "install.log"
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    environment |= {"PIP_USER": "0"} | ({"PYTHONPATH": path} if path else {})
    with log.open("ab") as output:
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            pass_fds=[lock],
        )
    if answer.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LINES_SHOWN:])
        raise CannotBootstrap(f"installing Python packages failed:\n{tail}")


def _put_source_on_path(checkout: Path, aside: Path) -> None:
    """Relative to the folder it is in, so that the checkout may be moved."""
    [packages] = aside.glob("lib/python*/site-packages")
    source = os.path.relpath(checkout / "src", packages)
    (packages / "bluelobster.pth").write_text(f"{source}\n")


def _name_finally(aside: Path, venv: Path) -> None:
    """Scripts name the environment's interpreter by its path: make that the path it will have."""
    for script in (aside / "bin").iterdir():
        if script.is_symlink():
            continue
        text = script.read_bytes()
        if os.fsencode(aside) in text and b"\0" not in text:
            script.write_bytes(text.replace(os.fsencode(aside), os.fsencode(venv)))


def _give_to_owner(checkout: Path, aside: Path) -> None:
    """What root installs in somebody's checkout belongs to them."""
    owner = checkout.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for folder, folders, files in os.walk(aside):
        for path in (Path(folder), *(Path(folder, name) for name in (*folders, *files))):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
