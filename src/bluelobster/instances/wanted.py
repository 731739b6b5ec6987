"""A machine as a launch asks for it, with every choice made."""

from collections.abc import Mapping
from dataclasses import dataclass

from bluelobster.catalog.templates import Template


@dataclass(frozen=True)
class Size:
    """What a machine takes from a host."""

    vcpus: int
    memory_gb: int
    disk_gb: int
    gpus: int
    gpu_model: str | None


@dataclass(frozen=True)
class Wanted:
    """What to launch, from a template or from the image at `iso_url`. Without `host`, any of the region will do; the
    price is cents an hour. Without a name it gets one."""

    name: str | None
    metadata: Mapping[str, str] | None
    region: str
    host: str | None
    instance_type: str
    price_cents_per_hour: int
    size: Size
    template: Template | None
    iso_url: str | None
    username: str
    ssh_key: str | None
    password: str | None
    user_data: str | None

    @property
    def template_name(self) -> str | None:
        return None if self.template is None else self.template.name
