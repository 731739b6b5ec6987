"""The cloud-init drive."""

import io
import stat
from pathlib import Path

import pytest
from pycdlib import PyCdlib

from pvelocal.qemu.seed import write_seed

DOCUMENTS = {"meta-data": "instance-id: abc\n", "user-data": "#cloud-config\nhostname: ü\n", "network-config": "x\n"}


def read(path: Path) -> tuple[str, dict[str, str]]:
    iso = PyCdlib()
    iso.open(str(path))
    contents = {}
    for name in DOCUMENTS:
        data = io.BytesIO()
        iso.get_file_from_iso_fp(data, rr_path=f"/{name}")
        joliet = io.BytesIO()
        iso.get_file_from_iso_fp(joliet, joliet_path=f"/{name}")
        assert joliet.getvalue() == data.getvalue()
        contents[name] = data.getvalue().decode()
    label = iso.pvd.volume_identifier.decode().strip()
    iso.close()
    return label, contents


def test_holds_the_documents(tmp_path: Path) -> None:
    path = tmp_path / "cidata.iso"
    write_seed(path, DOCUMENTS)
    assert read(path) == ("cidata", DOCUMENTS)


def test_only_we_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "cidata.iso"
    write_seed(path, DOCUMENTS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "cidata.iso"
    write_seed(path, DOCUMENTS)
    before = path.open("rb")
    write_seed(path, DOCUMENTS | {"user-data": "other\n"})
    with before:
        assert b"hostname" in before.read()
    assert read(path)[1]["user-data"] == "other\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["cidata.iso"]


@pytest.mark.parametrize("name", ["meta-data", "user-data"])
def test_an_empty_document_is_a_line(tmp_path: Path, name: str) -> None:
    write_seed(tmp_path / "cidata.iso", DOCUMENTS | {name: ""})
    assert read(tmp_path / "cidata.iso")[1][name] == "\n"
