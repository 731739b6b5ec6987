"""What a template's image needs of the machine that it is made into."""

from dataclasses import replace
from typing import Any

import pytest

from bluelobster.catalog.templates import KNOWN, Template, place_image, save_template
from bluelobster.db.pool import transaction
from cloud import CLEAN, LAUNCH, TestCloud

TINY, WINDOWS = KNOWN["TINY-LINUX"], KNOWN["WIN10"]
KEYS = ("ostype", "bios", "efidisk0", "tpmstate0")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (TINY, {"ostype": "l26"}),
        (WINDOWS, {"ostype": "win10"}),
        (replace(TINY, uefi=True), {"ostype": "l26", "bios": "ovmf", "efidisk0": "pre-enrolled-keys=0"}),
        (
            replace(WINDOWS, ostype="win11", uefi=True, tpm=True),
            {"ostype": "win11", "bios": "ovmf", "efidisk0": "pre-enrolled-keys=1", "tpmstate0": "version=v2.0"},
        ),
    ],
    ids=["Linux", "Windows", "Linux with UEFI", "Windows with UEFI and TPM"],
)
async def test_a_machine_has_what_its_template_needs(
    cloud: TestCloud, template: Template, expected: dict[str, Any]
) -> None:
    async with transaction(cloud.parts.pool) as tx:
        await save_template(tx, template)
        await place_image(tx, template.name, "px1", "local:import/tiny-linux.qcow2")
    instance_id = await cloud.launched(**{**LAUNCH, "template_name": template.name})
    vm = cloud.node.node.vms.get(await cloud.one("select vmid from instances where id = %s", instance_id))
    config = {name: str(vm.config[name]) for name in KEYS if name in vm.config}
    assert config.keys() == expected.keys()
    assert all(value in config[name] for name, value in expected.items())
    shown = next(each for each in (await cloud.customer.get("/instances/templates")).json()["templates"])
    assert not {"ostype", "uefi", "tpm"} & shown.keys()
    await cloud.customer.delete(f"/instances/{instance_id}")
    assert await cloud.leftovers() == CLEAN
