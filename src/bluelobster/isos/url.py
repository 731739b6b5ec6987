"""The address of an image, as far as it can be judged by looking at it."""

import httpx

from bluelobster.isos.addresses import literal, may_connect
from bluelobster.isos.errors import BadAddress
from bluelobster.isos.rules import IsoRules

PORTS = {"http": 80, "https": 443}
LONGEST = 2048
LONGEST_NAME = 255


def checked_url(text: str, rules: IsoRules) -> httpx.URL:
    """An http or https address. Raises BadAddress."""
    if len(text) > LONGEST:
        raise BadAddress(f"Must have at most {LONGEST} characters")
    if not text.isprintable() or " " in text or "\\" in text:
        raise BadAddress("Must be a URL without spaces, backslashes and control characters")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise BadAddress("Must be a URL such as https://example.com/image.iso") from error
    if url.scheme not in PORTS:
        raise BadAddress("Must be an http or https URL")
    if not host_of(url) or "%" in host_of(url):
        raise BadAddress("Must name a host")
    if url.userinfo:
        raise BadAddress("Must not hold a user name or password")
    _check_target(url, rules)
    return url


def _check_target(url: httpx.URL, rules: IsoRules) -> None:
    if not is_usual(url) and not rules.allowed_networks:
        raise BadAddress(f"Must be on port {PORTS[url.scheme]}")
    address = literal(host_of(url))
    if address is not None and not may_connect(address, is_usual(url), rules):
        raise BadAddress("Must lead to a public address")


def host_of(url: httpx.URL) -> str:
    """The host as it is resolved: ASCII, without brackets."""
    return url.raw_host.decode("ascii")


def port_of(url: httpx.URL) -> int:
    return url.port or PORTS[url.scheme]


def is_usual(url: httpx.URL) -> bool:
    """Whether the port is the scheme's own."""
    return port_of(url) == PORTS[url.scheme]


def shown(url: httpx.URL) -> str:
    """Host and file name: all that may be shown, because the rest may hold a token."""
    file = url.raw_path.partition(b"?")[0].rpartition(b"/")[2].decode("ascii")
    return f"{host_of(url)}/{file}"[:LONGEST_NAME]
