"""Finds the API to talk to and the key to use."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bluelobster_client.cli.explain import sentence
from bluelobster_client.cli.stop import EXIT_USAGE, Stop
from bluelobster_client.wire import base_url, header_value

CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Target:
    """Where the API is, and the key for it."""

    api_url: str
    api_key: str | None


@dataclass(frozen=True)
class Account:
    name: str
    role: str
    api_key: str


@dataclass(frozen=True)
class Credentials:
    """What a local `up` wrote down for users of this machine."""

    path: Path
    api_url: str
    accounts: tuple[Account, ...]

    def account(self, name: str | None) -> Account:
        """The account of this name, or the first customer.

        Raises `Stop` where there is none.
        """
        for account in self.accounts:
            if account.name == name or (name is None and account.role == "customer"):
                return account
        known = ", ".join(account.name for account in self.accounts) or "none"
        wanted = f"no account named {name!r}" if name else "no customer account"
        raise Stop(f"{self.path} has {wanted}. It has: {known}.", EXIT_USAGE)


def find_target(
    api_url: str | None,
    api_key: str | None,
    account: str | None,
    environ: Mapping[str, str],
    program: str,
    *,
    needs_key: bool,
) -> Target:
    """Options come first, then the environment, then the credentials of the local `up`. A key from that file is sent
    to that file's API only.

    Raises `Stop` with what to do.
    """
    if account and api_key:
        raise Stop("Give either --account or --api-key.", EXIT_USAGE)
    url = api_url or environ.get("BLUELOBSTER_API_URL")
    key = None if account else api_key or environ.get("BLUELOBSTER_API_KEY")
    if not url or (needs_key and not key):
        local = read_credentials(credentials_path(environ))
        if local and same_api(url, local.api_url):
            url = local.api_url
            key = key or (local.account(account).api_key if needs_key else None)
    if not url or (needs_key and not key):
        raise Stop(advice(url, account, program), EXIT_USAGE)
    try:
        return Target(base_url(url), header_value(key) if key else None)
    except ValueError as error:
        raise Stop(sentence(str(error)), EXIT_USAGE) from None


def credentials_path(environ: Mapping[str, str]) -> Path:
    """Where a local `up` keeps its credentials."""
    data = environ.get("BLUELOBSTER_DATA")
    return (Path(data) if data else CHECKOUT / "data") / "credentials.json"


def read_credentials(path: Path) -> Credentials | None:
    """None where there is no such file.

    Raises `Stop` where it cannot be read.
    """
    try:
        data = json.loads(path.read_bytes())
        accounts = tuple(Account(entry["name"], entry["role"], entry["api_key"]) for entry in data["accounts"])
        return Credentials(path, data["api_url"], accounts)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Stop(
            f"{path} belongs to another user.\n"
            "Run this as that user, or set BLUELOBSTER_API_URL and BLUELOBSTER_API_KEY."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise Stop(f"{path} is damaged: start `up` again, which writes it anew.") from None


def same_api(url: str | None, local: str) -> bool:
    return not url or url.rstrip("/").removesuffix("/api/v1") == local.rstrip("/").removesuffix("/api/v1")


def advice(url: str | None, account: str | None, program: str) -> str:
    """What to do where something is missing."""
    if url and account:
        return f"The account {account!r} belongs to the local `up`, not to {url}."
    if url:
        return f"There is no key for {url}. Set BLUELOBSTER_API_KEY to your API key."
    return (
        f"No API is known. Start one on this machine with `{program} up`,\n"
        "or set BLUELOBSTER_API_URL and BLUELOBSTER_API_KEY."
    )
