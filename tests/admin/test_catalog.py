"""Regions, GPU models and types."""

from admin.place import REGION, add_host
from admin.shell import Shell
from pvelocal.running import RunningNode

SMALL = "type add small --description 'CPU Only' --cents 3 --vcpus 2 --memory-gb 8 --disk-gb 50"
A4000 = "gpu model A4000 --marketing 'RTX A4000' --description 'NVIDIA RTX A4000 (16GB VRAM)'"


def test_regions(shell: Shell) -> None:
    assert shell.does(REGION) == "region us-east-1 added\n"
    assert shell.does(REGION) == "region us-east-1 is so already\n"
    other = REGION.replace("Wilmington, DE", "Delaware [east]")
    change = "description from 'Wilmington, DE' to 'Delaware [east]'"
    assert shell.refuses(other) == f"region us-east-1 exists already; with --replace this changes {change}"
    assert "Delaware" not in shell.does("region list")
    assert shell.does(f"{other} --replace") == f"region us-east-1 changed: {change}\n"
    assert shell.does("region list").splitlines()[1].split("  ")[:2] == ["us-east-1", "Delaware [east]"]
    refused = shell.refuses("region add US_EAST --description x --city x --state x --country x")
    assert refused.startswith("a name has 1 to 63 lower-case letters")
    assert shell.misreads("region add x") == "Missing option '--description'."


def test_types(shell: Shell) -> None:
    assert shell.does(SMALL) == "type small added\n"
    shell.does(A4000)
    shell.does(SMALL.replace("small", "gpu").replace("50", "100") + " --gpus 1 --gpu-model A4000")
    _, small, gpu = (line.split() for line in shell.does("type list").splitlines())
    assert small == ["small", "3", "2", "8", "50", "0"]
    assert gpu == ["gpu", "3", "2", "8", "100", "1", "A4000"]
    dearer = SMALL.replace("--cents 3", "--cents 4")
    assert "price_cents_per_hour from 3 to 4" in shell.refuses(dearer)
    assert "small  3" in shell.does("type list")
    assert shell.does(f"{dearer} --replace") == "type small changed: price_cents_per_hour from 3 to 4\n"
    assert "small  4" in shell.does("type list")
    assert shell.does("type retire small") == "type small is no longer sold\n"
    assert "small" not in shell.does("type list")
    assert shell.refuses("type retire small") == "there is no type small on sale"


def test_types_that_cannot_be(shell: Shell) -> None:
    for options, reason in {
        "--gpus 1": "--gpus and --gpu-model go together",
        "--gpu-model A4000": "--gpus and --gpu-model go together",
        "--gpus 1 --gpu-model H100": "there is no GPU model H100; add it with `bluelobster admin gpu model`",
        "--cents 99999999999": "a number is too large",
    }.items():
        assert shell.refuses(f"{SMALL} {options}") == reason
    for option, value in {"cents": -1, "vcpus": 0, "memory-gb": 0, "disk-gb": "many", "gpus": -1}.items():
        assert f"Invalid value for '--{option}'" in shell.misreads(f"{SMALL} --{option} {value}")


def test_gpus_are_mappings_that_the_host_has(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    assert shell.refuses("gpu add px1 A4000 a4000-0").startswith("there is no GPU model A4000")
    assert shell.does(A4000) == "model A4000 saved\n"
    assert shell.does("gpu add px1 A4000 a4000-0 a4000-1") == "2 A4000 saved on px1\n"
    _, first, second = (line.split() for line in shell.does("gpu list").splitlines())
    assert (first, second) == (["px1", "a4000-0", "A4000"], ["px1", "a4000-1", "A4000"])
    refused = shell.refuses("gpu add px1 A4000 a4000-0 a4000-7")
    assert refused == "px1 has no resource mapping a4000-7; it has a4000-0, a4000-1"
    assert shell.refuses("gpu add px2 A4000 a4000-0") == "there is no host px2"
