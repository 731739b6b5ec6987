"""Between fork and exec of an embedded PostgreSQL program: who it runs as, and that it never outlives its parent.

Run as a script: `python -I postgres_child.py PARENT_PID DIRECTORY PROGRAM [ARGUMENT...]`.

PostgreSQL refuses to run as root. Root therefore starts it as `nobody` inside a user namespace in which nobody *is*
root outside: the files stay root's, and no folder on the way needs to be opened to another user. Where namespaces are
not allowed, where somebody else keeps a folder on the way to themselves, or where the directory is somebody else's, it
becomes the directory's owner and keeps one capability, CAP_DAC_OVERRIDE, to get through folders that are closed to that
user.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

NOBODY = 65534

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    parent, directory, *command = arguments
    if os.geteuid() == 0:
        leave_root(Path(directory), command[0])
    die_with(int(parent))
    os.execv(command[0], command)  # noqa: S606


def leave_root(directory: Path, program: str) -> None:
    """Becomes a user as whom PostgreSQL runs and owns `directory`."""
    owner = directory.stat().st_uid
    if owner == 0 and namespace_works(directory, program):
        enter_namespace()
        return
    if owner == 0:
        owner = NOBODY
        hand_over(directory, owner)
    become(owner)


def die_with(parent: int) -> None:
    """Asks the kernel for a fast shutdown (SIGINT) when the parent's thread ends. A change of user would clear this."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started PostgreSQL is gone")


def namespace_works(directory: Path, program: str) -> bool:
    """Tries it in a child, because a namespace that was entered but cannot be mapped is not left again. Inside, what
    somebody else keeps to themselves on the way is closed to root as well."""
    child = os.fork()
    if child == 0:
        try:
            enter_namespace()
        except OSError:
            os._exit(1)
        os._exit(not (os.access(directory, os.W_OK) and os.access(program, os.X_OK)))
    return os.waitpid(child, 0)[1] == 0


def enter_namespace() -> None:
    """Enters a user namespace in which `nobody` is who we are outside. Raises OSError."""
    outside_user, outside_group = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {outside_user} 1")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {outside_group} 1")


def hand_over(directory: Path, owner: int) -> None:
    for folder, _, files in os.walk(directory):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            os.chown(path, owner, owner, follow_symlinks=False)


def become(user: int) -> None:
    """Gives up root for `user`, keeping CAP_DAC_OVERRIDE across exec. Raises OSError."""
    keep_capabilities_in_access()
    _call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    kept = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0)
    _call("capset", header, effective_permitted_inheritable)
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def keep_capabilities_in_access() -> None:
    """Whether it may run a program PostgreSQL asks access(2), which by itself leaves a user's capabilities out. Where
    this is not allowed, programs have to lie where everybody may go."""
    with contextlib.suppress(OSError):
        _call("prctl", _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)


def _call(function: str, *arguments: int | ctypes.Array[ctypes.c_uint32]) -> None:
    words = [ctypes.c_ulong(argument) if isinstance(argument, int) else argument for argument in arguments]
    if getattr(_libc, function)(*words) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
