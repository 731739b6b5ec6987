"""API tokens, their privileges, and what an access list grants on a path."""

import hmac
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pvelocal.errors import Unauthorized, forbidden

AccessList = Mapping[str, frozenset[str]]
"""Privileges by path; a grant on a path holds for everything below it."""

_PRIVILEGE_NAMES = """
Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit Group.Allocate
Mapping.Audit Mapping.Modify Mapping.Use Permissions.Modify Pool.Allocate Pool.Audit Realm.Allocate
Realm.AllocateUser SDN.Allocate SDN.Audit SDN.Use Sys.AccessNetwork Sys.Audit Sys.Console Sys.Incoming Sys.Modify
Sys.PowerMgmt Sys.Syslog User.Modify VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU
VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.Console
VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt VM.GuestAgent.FileWrite
VM.GuestAgent.Unrestricted VM.Migrate VM.PowerMgmt VM.Replicate VM.Snapshot VM.Snapshot.Rollback
"""
PRIVILEGES = frozenset(_PRIVILEGE_NAMES.split())
"""All privileges of Proxmox VE 9.2."""

VM_ADMINISTRATION = frozenset(name for name in PRIVILEGES if name.startswith("VM."))
"""The role PVEVMAdmin."""

_LISTED_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
_PREFIX = "PVEAPIToken="


@dataclass(frozen=True)
class Token:
    """An API token. With `separated` privileges it may do what both its own list and its user's list allow."""

    user: str
    name: str
    secret: str = field(repr=False)
    user_access: AccessList = field(default_factory=dict)
    separated: AccessList | None = None

    @property
    def id(self) -> str:
        """`user@realm!name`, which tasks are attributed to."""
        return f"{self.user}!{self.name}"

    @property
    def header(self) -> str:
        """The value for the `Authorization` header."""
        return f"{_PREFIX}{self.id}={self.secret}"

    def privileges(self, path: str) -> frozenset[str]:
        """What the token may do at `path`."""
        granted = PRIVILEGES if self.user == "root@pam" else _granted(self.user_access, path)
        return granted if self.separated is None else granted & _granted(self.separated, path)

    def may(self, path: str, *privileges: str) -> bool:
        """Whether it has at least one of the privileges at `path`."""
        return not self.privileges(path).isdisjoint(privileges)

    def require(self, path: str, *privileges: str) -> None:
        """ApiError 403 unless it has at least one of the privileges at `path`."""
        if not self.may(path, *privileges):
            raise forbidden(f"{path}, {'|'.join(privileges)}")

    def listed(self) -> dict[str, dict[str, int]]:
        """Every path with a grant, as `GET /access/permissions` shows them."""
        paths = set(self.user_access) | set(self.separated or ())
        if self.user == "root@pam" and self.separated is None:
            paths |= set(_LISTED_PATHS)
        found = {path: self.privileges(path) for path in sorted(paths)}
        return {path: dict.fromkeys(sorted(names), 1) for path, names in found.items() if names}


def _granted(access: AccessList, path: str) -> frozenset[str]:
    while True:
        if path in access:
            return access[path]
        if path == "/":
            return frozenset()
        path = path.rpartition("/")[0] or "/"


def root_token(name: str, secret: str) -> Token:
    """A token of root with all of root's rights (still not those that only root's own login has)."""
    return Token(user="root@pam", name=name, secret=secret)


def new_secret() -> str:
    """A secret in the form Proxmox VE gives tokens: a random UUID."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


class Credentials:
    """The tokens that may call the node."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = {token.id: token for token in tokens}

    def identify(self, authorization: str | None) -> Token:
        """The token of an `Authorization` header; Unauthorized without one that is valid."""
        if not authorization:
            raise Unauthorized("No ticket", failed_login=False)
        name, _, secret = authorization.removeprefix(_PREFIX).partition("=")
        token = self._tokens.get(name) if authorization.startswith(_PREFIX) else None
        if token is None or not hmac.compare_digest(token.secret.encode(), secret.encode()):
            raise Unauthorized("Authentication failed!", failed_login=True)
        return token
