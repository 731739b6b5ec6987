"""Building images."""

import filecmp
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pvelocal.images import __main__ as command
from pvelocal.images import debian, kept
from pvelocal.images.catalogue import IMAGES
from pvelocal.images.commands import run
from pvelocal.images.errors import BuildError
from pvelocal.images.initramfs import Initramfs
from pvelocal.images.modules import Modules
from pvelocal.qemu import programs


def test_an_archive_that_cpio_understands(tmp_path: Path) -> None:
    early = Initramfs()
    early.directory("bin")
    early.file("bin/sh", b"#!", 0o755)
    early.file("init", b"hello\n")
    early.character_device("console", 5, 1)
    archive = early.archive()
    # Header, name, padding; see Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
    names = []
    position = 0
    while True:
        fields = [int(archive[position + 6 + 8 * index : position + 14 + 8 * index], 16) for index in range(13)]
        name = archive[position + 110 : position + 110 + fields[11] - 1].decode()
        data = position + (110 + fields[11] + 3) // 4 * 4
        names.append((name, oct(fields[1]), archive[data : data + fields[6]], (fields[9], fields[10])))
        position = data + (fields[6] + 3) // 4 * 4
        if name == "TRAILER!!!":
            break
    assert names[:-1] == [
        ("bin", "0o40755", b"", (0, 0)),
        ("bin/sh", "0o100755", b"#!", (0, 0)),
        ("init", "0o100644", b"hello\n", (0, 0)),
        ("console", "0o20600", b"", (5, 1)),
    ]
    assert position == len(archive)


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    for name, needs in {"virtio": "", "virtio-ring": "virtio", "virtio_blk": "virtio,virtio_ring"}.items():
        (tmp_path / f"{name}.ko").write_bytes(b"\0license=GPL\0depends=" + needs.encode() + b"\0")
    modules = Modules(tmp_path)
    assert modules.in_order(["virtio_blk"]) == ["virtio", "virtio_ring", "virtio_blk"]
    with pytest.raises(BuildError, match="no module nothing"):
        modules.in_order(["nothing"])


def test_an_image_is_built_once_and_replaces_older_ones(tmp_path: Path) -> None:
    built = []

    def build(path: Path) -> None:
        built.append(path.name)
        path.write_text("image")

    first = kept.kept_image(tmp_path, "A", "1", build)
    assert kept.kept_image(tmp_path, "A", "1", build) == first
    second = kept.kept_image(tmp_path, "A", "2", build)
    assert built == ["A-1.qcow2", "A-2.qcow2"]
    assert not first.exists()
    assert second.read_text() == "image"


def test_a_fingerprint_tells_the_parts() -> None:
    assert kept.fingerprint(["a", "b"]) == kept.fingerprint(["a", "b"])
    assert kept.fingerprint(["a", "b"]) != kept.fingerprint(["ab"])


def test_a_program_that_fails() -> None:
    with pytest.raises(BuildError, match=r"sh failed \(3\): why"):
        run(["sh", "-c", "echo why >&2; exit 3"])
    with pytest.raises(BuildError, match="did not finish"):
        run(["sleep", "60"], timeout_seconds=0.05)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(programs, "_SEARCH_PATH", "/nowhere")
    assert command.main(["list"]) == 0
    lines = capsys.readouterr().out
    assert "TINY-LINUX" in lines
    assert "sudo apt-get install --no-install-recommends apt dpkg qemu-utils" in lines
    assert "mmdebstrap" in lines


def test_a_build_that_cannot_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(programs, "_SEARCH_PATH", "/nowhere")
    words = ["build", "TINY-LINUX", "--out", str(tmp_path / "tiny.qcow2"), "--cache", str(tmp_path / "cache")]
    assert command.main(words) == 1
    assert "sudo apt-get install" in capsys.readouterr().err
    assert not (tmp_path / "tiny.qcow2").exists()


def test_debian_is_made_by_mmdebstrap_and_nobody_elses_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def record(words: list[str | Path], **_: object) -> str:
        commands.append([str(word) for word in words])
        if "convert" in commands[-1]:
            Path(words[-1]).write_text("image")
        return ""

    nothing: Callable[..., None] = lambda *_: None  # noqa: E731
    monkeypatch.setattr(debian, "run", record)
    monkeypatch.setattr(debian, "require", lambda *names: names)
    monkeypatch.setattr(debian, "Archive", nothing)
    monkeypatch.setattr(debian, "disk_tools", nothing)
    monkeypatch.setattr(debian, "file_system_command", lambda *_: ["mke2fs"])
    monkeypatch.setattr(debian, "write_disk", nothing)
    IMAGES["DEBIAN-12"].build(tmp_path / "debian.qcow2", tmp_path / "cache", nothing)
    bootstrap, _, convert = commands
    assert bootstrap[0] == "mmdebstrap"
    assert "bookworm" in bootstrap
    assert any("cloud-init" in word and "openssh-server" in word for word in bootstrap)
    assert "-c" in convert
    assert (tmp_path / "debian.qcow2").read_text() == "image"


def test_the_debian_hook_is_a_script() -> None:
    hook = Path(debian.__file__).parent / "guest" / "debian-customize"
    subprocess.run(["sh", "-n", hook], check=True)


@pytest.mark.parametrize("name", ["agent", "boot", "cloud-data", "dhcp", "grow-root", "host-keys", "initramfs-init"])
def test_the_guests_own_scripts_are_scripts(name: str) -> None:
    subprocess.run(["sh", "-n", Path(debian.__file__).parent / "guest" / name], check=True)


@pytest.mark.e2e
def test_the_same_packages_make_the_same_image(
    tiny_linux: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = command.default_cache()
    monkeypatch.setattr("pvelocal.images.tiny.fingerprint", lambda parts: "again")
    monkeypatch.setattr(
        "pvelocal.images.tiny.kept_image",
        lambda _cache, name, key, build: kept.kept_image(tmp_path, name, key, build),
    )
    IMAGES["TINY-LINUX"].build(tmp_path / "again.qcow2", cache, lambda line: None)
    assert filecmp.cmp(tmp_path / "again.qcow2", tiny_linux, shallow=False)
