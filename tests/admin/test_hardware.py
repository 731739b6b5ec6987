"""What is removed again, images that are there already, and maintenance."""

from admin.place import REGION, add_host, image
from admin.shell import Shell
from pvelocal.running import RunningNode


def test_what_nothing_needs_is_removed(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    shell.does("gpu model A4000 --marketing 'RTX A4000' --description 'NVIDIA RTX A4000'")
    shell.does("gpu add px1 A4000 a4000-0")
    shell.does("pool add us-east-1 192.0.2.0/29 --gateway 192.0.2.1")
    assert shell.refuses("gpu remove-model A4000").startswith("GPU model A4000 cannot be removed: gpus on record")
    assert shell.refuses("region remove us-east-1").startswith("region us-east-1 cannot be removed: ")
    assert shell.does("gpu remove px1 a4000-0") == "GPU a4000-0 of px1 removed\n"
    assert shell.refuses("gpu remove px1 a4000-0") == "there is no GPU a4000-0 on px1"
    assert shell.does("gpu remove-model A4000") == "model A4000 removed\n"
    shrunk = shell.does("pool remove 192.0.2.0/29 --first 192.0.2.3 --last 192.0.2.4")
    assert shrunk == "2 addresses of 192.0.2.0/29 removed\n"
    assert shell.refuses("pool remove 192.0.2.0/29 --first 192.0.2.3") == "--first and --last go together"
    assert shell.does("pool remove 192.0.2.0/29") == "pool 192.0.2.0/29 removed\n"
    assert shell.refuses("pool remove 192.0.2.0/29") == "there is no pool 192.0.2.0/29"
    shell.does("host remove px1")
    assert shell.does("region remove us-east-1") == "region us-east-1 removed\n"
    shell.does(REGION)


def test_a_pool_is_one_region_s(shell: Shell) -> None:
    shell.does(REGION)
    shell.does(REGION.replace("us-east-1", "us-west-1"))
    shell.does("pool add us-east-1 192.0.2.0/29 --gateway 192.0.2.1")
    refused = shell.refuses("pool add us-west-1 192.0.2.0/29 --gateway 192.0.2.1")
    assert refused == "network: this is a pool of another region already"


def test_an_image_that_is_there_already(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    shell.does(f"template add TINY-LINUX --file {image('tiny.qcow2')}")
    (there,) = [each.name for each in (node.node.settings.data / "import").glob("tiny-linux-*.qcow2")][:1]
    assert shell.does("template displace TINY-LINUX px1") == "template TINY-LINUX is not offered on px1 any more\n"
    assert shell.refuses("template displace TINY-LINUX px1") == "there is no template TINY-LINUX on px1"
    said = shell.does(f"template place TINY-LINUX px1 local:import/{there}")
    assert said == "template TINY-LINUX is offered on px1\n"
    refused = shell.refuses("template place TINY-LINUX px1 local:import/none.qcow2")
    assert refused == "volume: the host has no image local:import/none.qcow2"


def test_a_host_is_looked_at_and_maintained(shell: Shell, node: RunningNode) -> None:
    add_host(shell, node)
    assert shell.does("host check px1") == "host px1 has 8 vCPUs, 64 GB memory, 1000 GB disk\n"
    assert shell.refuses("host check px2") == "There is no host px2"
    begin = "host maintenance begin px1 --reason 'new firmware' --until"
    said = shell.does(f"{begin} 2199-01-01T00:00:00Z --stop shutdown").splitlines()[0]
    assert said == "host px1 is in maintenance until 2199-01-01T00:00:00Z: new firmware"
    assert shell.does("host maintenance show px1").splitlines()[0] == said
    assert shell.does("host list").splitlines()[1].split()[2] == "maintenance"
    assert shell.refuses("host status px1 active") == "host px1 is in maintenance: end that first"
    assert shell.does("host maintenance end px1") == "maintenance of host px1 is over\n"
    assert shell.refuses("host maintenance end px1") == "Host px1 is not in maintenance"
    assert shell.refuses(f"{begin} 2020-01-01T00:00:00Z") == "expected_end_at: must be later than now"
    assert shell.refuses(f"{begin} tomorrow").startswith("--until: Must be a time with its zone")
