"""Public keys are found and checked; private keys stay where they are."""

from pathlib import Path

import pytest

from bluelobster_client.cli.sshkeys import default_public_key, public_key
from bluelobster_client.cli.stop import Stop
from client.answers import KEY

PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----\n"


def test_a_key_file_and_its_private_key(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519.pub"
    path.write_text(f"# laptop\n\n  {KEY}\n\n")
    assert public_key(str(path)).text == KEY
    assert public_key(str(path)).private is None
    (tmp_path / "id_ed25519").touch()
    assert public_key(str(path)).private == tmp_path / "id_ed25519"


def test_a_key_may_be_given_as_text() -> None:
    key = public_key(f"{KEY}\n")
    assert (key.text, key.path, key.private) == (KEY, None, None)


def test_the_usual_keys_in_sshs_order(tmp_path: Path) -> None:
    assert default_public_key(tmp_path) is None
    (tmp_path / ".ssh").mkdir()
    for name, kind in (
        ("id_rsa.pub", "ssh-rsa"),
        ("id_ecdsa.pub", "ecdsa-sha2-nistp256"),
        ("id_ed25519.pub", "ssh-ed25519"),
    ):
        (tmp_path / ".ssh" / name).write_text(f"{kind} AAAA\n")
        found = default_public_key(tmp_path)
        assert found is not None
        assert found.text == f"{kind} AAAA"


@pytest.mark.parametrize(
    "content", [PRIVATE, "PuTTY-User-Key-File-3: ssh-ed25519\n", "-----BEGIN RSA PRIVATE KEY-----\n"]
)
def test_a_private_key_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "id_ed25519"
    path.write_text(content)
    with pytest.raises(Stop, match=f"{path} is a private key. It was not sent anywhere") as caught:
        public_key(str(path))
    assert f"ssh-keygen -y -f {path}" in str(caught.value)
    (tmp_path / "id_ed25519.pub").write_text(KEY)
    with pytest.raises(Stop, match=rf"Did you mean {path}\.pub\?"):
        public_key(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a public SSH key"),
        ("hello\n", "is not a public SSH key"),
        ("ssh-dss AAAA", "is not a public SSH key"),
        (f'command="ls" {KEY}', "is not a public SSH key"),
        (f"{KEY}\n{KEY}\n", "has 2 lines"),
        ("sk-ssh-ed25519@openssh.com AAAA me", "hardware token"),
        ("x" * 20_000, "too big"),
    ],
)
def test_what_is_no_usable_key_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(Stop, match=message) as caught:
        public_key(str(path))
    assert caught.value.exit_code == 2


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\xfe\x00ssh-ed25519 AAAA")
    with pytest.raises(Stop, match="is not a public SSH key"):
        public_key(str(path))


def test_a_missing_file_or_a_directory_is_explained(tmp_path: Path) -> None:
    with pytest.raises(Stop, match=r"no such file or directory\. --ssh-key takes"):
        public_key(str(tmp_path / "none.pub"))
    with pytest.raises(Stop, match=r"is a directory"):
        public_key(str(tmp_path))
