"""Templates come from a file, or from a URL whose content is known beforehand."""

import hashlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from admin.place import QCOW2, RAW, add_host, image
from admin.shell import Shell
from pve.tls_server import TlsServer, make_certificate
from pvelocal.running import RunningNode

MINE = "template add MINE --display-name Mine --os-type linux --min-disk-gb 3 --default-username me"
NOTHING = "0" * 64


@pytest.mark.parametrize(("content", "suffix"), [(QCOW2, "qcow2"), (RAW, "raw")])
def test_an_image_is_brought_to_the_host(shell: Shell, node: RunningNode, content: bytes, suffix: str) -> None:
    add_host(shell, node)
    said = shell.does(f"template add TINY-LINUX --file {image('image', content)}")
    assert said == "template TINY-LINUX is offered on px1\n"
    stored = f"tiny-linux-{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
    assert (node.node.settings.data / "import" / stored).read_bytes() == content
    listed = shell.does("template list").splitlines()[1]
    assert listed.split() == ["TINY-LINUX", "Tiny", "Linux", "(Debian", "kernel,", "BusyBox)", "linux", "1", "lobster"]


def test_a_template_of_one_s_own_is_described(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    file = image("mine.qcow2")
    refused = shell.refuses(f"template add MINE --file {file}")
    assert refused.startswith("MINE is not a name of the catalogue: give --default-username, --display-name, ")
    shell.does(f"{MINE} --file {file} --host px1 --no-agent --docker")
    assert shell.does("template list").splitlines()[1].split() == ["MINE", "Mine", "linux", "3", "me"]
    assert shell.does("template withdraw MINE") == "template MINE is no longer offered\n"
    assert shell.refuses("template withdraw MINE") == "there is no template MINE on offer"
    assert len(shell.does("template list").splitlines()) == 1
    shell.does(f"{MINE} --file {file}")
    assert "MINE" in shell.does("template list")


def test_a_template_says_what_hardware_it_needs(shell: Shell, node: RunningNode, database: str) -> None:
    add_host(shell, node)
    file = image("mine.qcow2")
    assert shell.refuses(f"{MINE} --file {file} --tpm") == "--tpm goes with --uefi"
    shell.does(f"{MINE} --file {file} --uefi --tpm --ostype win11")
    with psycopg.connect(database) as connection:
        row = connection.execute("select ostype, uefi, tpm from templates where name = 'MINE'").fetchone()
    assert row == ("win11", True, True)


def test_rubbish_is_refused(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    for content in (b"", b"<html>", bytes(4096), b"\x7fELF" + bytes(600)):
        refused = shell.refuses(f"template add TINY-LINUX --file {image('rubbish', content)}")
        assert refused == "rubbish is neither a qcow2 image nor a raw disk with a boot sector"
    assert len(shell.does("template list").splitlines()) == 1


def test_templates_that_cannot_be(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    image("image")
    url = "--url https://127.0.0.1:1/x"
    for options, reason in {
        "TINY-LINUX": "give one of --file, --url and --build",
        "TINY-LINUX --file image --build": "give one of --file, --url and --build",
        f"TINY-LINUX --sha256 {NOTHING}": "give one of --file, --url and --build",
        f"TINY-LINUX {url}": "--url and --sha256 go together: without a checksum nobody knows what was fetched",
        f"TINY-LINUX {url} --sha256 beef": "--sha256 takes 64 hexadecimal digits, as sha256sum prints them",
        f"TINY-LINUX --url http://127.0.0.1:1/x --sha256 {NOTHING}": "an image is fetched from an https URL only",
        f"TINY-LINUX {url} --sha256 {NOTHING}": "cannot fetch https://127.0.0.1:1/x: All connection attempts failed",
        "UBUNTU-22-04 --build": "only DEBIAN-12 and TINY-LINUX can be built here: "
        "give an image of UBUNTU-22-04 by --file or --url",
        "tiny --file image": "the name of a template has capital letters, digits and hyphens only",
        "TINY-LINUX --file image --host px2": "there is no host px2",
    }.items():
        assert shell.refuses(f"template add {options}") == reason


def test_a_file_that_is_none(shell: Shell) -> None:
    assert shell.misreads("template add X --file nope") == "Invalid value for '--file': File 'nope' does not exist."
    assert shell.misreads("template add X --file .") == "Invalid value for '--file': File '.' is a directory."


def test_without_a_host_there_is_nowhere_to_bring_it(shell: Shell) -> None:
    refused = shell.refuses(f"template add TINY-LINUX --file {image('image')}")
    assert refused == "there is no host yet: add one with `bluelobster admin host add`"


def send_image(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(QCOW2) + QCOW2)


@pytest.fixture
def image_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that gives an image to whoever asks first, under a certificate that this test trusts."""
    certificate = tmp_path / "certificate.pem"
    make_certificate(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = TlsServer(certificate, send_image)
    serving = threading.Thread(target=server._serve, args=(1,))
    serving.start()
    yield f"{server.url}/tiny.qcow2"
    serving.join()
    server.close()


def test_an_image_from_a_url(shell: Shell, node: RunningNode, image_url: str) -> None:
    add_host(shell, node)
    checksum = hashlib.sha256(QCOW2).hexdigest().upper()
    assert "is offered" in shell.does(f"template add TINY-LINUX --url {image_url} --sha256 {checksum}")


def test_an_image_that_is_not_what_was_promised(shell: Shell, node: RunningNode, image_url: str) -> None:
    add_host(shell, node)
    refused = shell.refuses(f"template add TINY-LINUX --url {image_url} --sha256 {NOTHING}")
    assert refused == f"the image's SHA-256 is {hashlib.sha256(QCOW2).hexdigest()}, not {NOTHING}"
    assert len(shell.does("template list").splitlines()) == 1
