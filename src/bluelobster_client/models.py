"""The API's answers. Fields that this version does not know are in `raw`, the JSON object as it came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bluelobster_client.fields import Fields

Raw = Mapping[str, object]


@dataclass(frozen=True)
class Health:
    """`status` is `healthy`, `degraded` or `unhealthy`; `components` has the state of each part."""

    status: str
    timestamp: datetime | None
    components: Mapping[str, str]
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "Health":
        fields = Fields(data, "health")
        return cls(fields.text("status"), fields.time_or_none("timestamp"), fields.texts("components"), fields.raw)


@dataclass(frozen=True)
class Template:
    """What a machine can be launched with. `os_type` is `linux` or `windows`."""

    name: str
    display_name: str
    os_type: str | None
    has_docker: bool
    has_nvidia_driver: bool
    min_disk_gb: int | None
    default_username: str | None
    raw: Raw = field(repr=False, compare=False)

    @property
    def is_windows(self) -> bool:
        return (self.os_type or "").lower().startswith("win")

    @classmethod
    def parse(cls, data: object) -> "Template":
        fields = Fields(data, "template")
        name = fields.text("name")
        return cls(
            name=name,
            display_name=fields.text_or_none("display_name") or name,
            os_type=fields.text_or_none("os_type"),
            has_docker=fields.flag("has_docker"),
            has_nvidia_driver=fields.flag("has_nvidia_driver"),
            min_disk_gb=fields.whole_or_none("min_disk_gb"),
            default_username=fields.text_or_none("default_username"),
            raw=fields.raw,
        )


@dataclass(frozen=True)
class Region:
    name: str
    description: str | None

    @classmethod
    def parse(cls, data: object) -> "Region":
        fields = Fields(data, "region")
        return cls(fields.text("name"), fields.text_or_none("description"))


@dataclass(frozen=True)
class InstanceType:
    """A size of machine, its price, and the regions that have room for one more now."""

    name: str
    description: str | None
    gpu_description: str | None
    price_cents_per_hour: int
    vcpus: int
    memory_gib: int
    storage_gib: int
    gpus: int
    gpu_model: str | None
    regions: tuple[Region, ...]
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "InstanceType":
        entry = Fields(data, "instance type")
        fields = entry.inner("instance_type")
        specs = fields.inner("specs")
        return cls(
            name=fields.text("name"),
            description=fields.text_or_none("description"),
            gpu_description=fields.text_or_none("gpu_description"),
            price_cents_per_hour=fields.whole("price_cents_per_hour"),
            vcpus=specs.whole("vcpus"),
            memory_gib=specs.whole("memory_gib"),
            storage_gib=specs.whole("storage_gib"),
            gpus=specs.whole_or_none("gpus") or 0,
            gpu_model=specs.text_or_none("gpu_model"),
            regions=tuple(Region.parse(region) for region in entry.items("regions_with_capacity_available")),
            raw=entry.raw,
        )


@dataclass(frozen=True)
class Instance:
    """A virtual machine. `memory` and `storage` are in GB; `power_status` is `running`, `stopped`, `paused` or
    `unknown`; `status` (`creating`, `rented`, `terminating`) is None where the API does not tell it.
    """

    uuid: str
    name: str
    host_id: str
    region: str | None
    ip_address: str | None
    internal_ip: str | None
    cpu_cores: int
    memory: int
    storage: int
    gpu_count: int
    gpu_model: str | None
    power_status: str | None
    status: str | None
    created_at: datetime | None
    metadata: Mapping[str, str]
    instance_type: str | None
    price_cents_per_hour: int | None
    team_name: str | None
    access_type: str | None
    template_name: str | None
    template_display_name: str | None
    os_type: str | None
    vm_username: str | None
    ssh_port: int
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "Instance":
        fields = Fields(data, "instance")
        return cls(
            uuid=fields.text("uuid"),
            name=fields.text("name"),
            host_id=fields.text("host_id"),
            region=fields.text_or_none("region"),
            ip_address=fields.text_or_none("ip_address"),
            internal_ip=fields.text_or_none("internal_ip"),
            cpu_cores=fields.whole("cpu_cores"),
            memory=fields.whole("memory"),
            storage=fields.whole("storage"),
            gpu_count=fields.whole_or_none("gpu_count") or 0,
            gpu_model=fields.text_or_none("gpu_model"),
            power_status=fields.text_or_none("power_status"),
            status=fields.text_or_none("status"),
            created_at=fields.time_or_none("created_at"),
            metadata=fields.texts("metadata"),
            instance_type=fields.text_or_none("instance_type"),
            price_cents_per_hour=fields.whole_or_none("price_cents_per_hour"),
            team_name=fields.text_or_none("team_name"),
            access_type=fields.text_or_none("access_type"),
            template_name=fields.text_or_none("template_name"),
            template_display_name=fields.text_or_none("template_display_name"),
            os_type=fields.text_or_none("os_type"),
            vm_username=fields.text_or_none("vm_username"),
            ssh_port=fields.whole_or_none("ssh_port") or 22,
            raw=fields.raw,
        )


@dataclass(frozen=True)
class Credentials:
    """A generated login, told once and kept nowhere; the password is None where that answer was lost."""

    username: str
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, fields: Fields) -> "Credentials":
        return cls(fields.text("username"), fields.text_or_none("password"))


@dataclass(frozen=True)
class SshKey:
    """A public key that launches name."""

    id: str
    name: str
    fingerprint: str
    public_key: str
    created_at: datetime
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "SshKey":
        fields = Fields(data, "SSH key")
        return cls(
            id=fields.text("id"),
            name=fields.text("name"),
            fingerprint=fields.text("fingerprint"),
            public_key=fields.text("public_key"),
            created_at=fields.time("created_at"),
            raw=fields.raw,
        )


@dataclass(frozen=True)
class Launch:
    """A launch that was accepted: the machine exists once the task `task_id` is COMPLETED."""

    instance_id: str
    task_id: str
    assigned_ip: str | None
    credentials: Credentials | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "Launch":
        answer = Fields(data, "launch")
        fields = answer.inner_or_none("data") or answer
        credentials = answer.inner_or_none("credentials") or fields.inner_or_none("credentials")
        return cls(
            instance_id=_launched_id(fields),
            task_id=fields.text("task_id"),
            assigned_ip=fields.text_or_none("assigned_ip"),
            credentials=Credentials.parse(credentials) if credentials else None,
            raw=answer.raw,
        )


def _launched_id(fields: Fields) -> str:
    ids = fields.raw.get("instance_ids")
    first = ids[0] if isinstance(ids, list) and ids else None
    return first if isinstance(first, str) else fields.text("vm_uuid")


@dataclass(frozen=True)
class Address:
    """A public address of an instance, on a network card of its own."""

    ip_address: str
    prefix: int
    gateway: str | None
    mac_address: str
    is_primary: bool
    price_cents_per_month: int
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "Address":
        fields = Fields(data, "address")
        return cls(
            ip_address=fields.text("ip_address"),
            prefix=fields.whole("prefix"),
            gateway=fields.text_or_none("gateway"),
            mac_address=fields.text("mac_address"),
            is_primary=fields.flag("is_primary"),
            price_cents_per_month=fields.whole_or_none("price_cents_per_month") or 0,
            raw=fields.raw,
        )


@dataclass(frozen=True)
class Console:
    """A ticket for a machine's screen, and the ways to use it: a page for browsers at `console_url`, or a VNC viewer at
    `host` and `port` with `password`. Whoever has it gets in."""

    console_url: str = field(repr=False)
    websocket_url: str = field(repr=False)
    host: str
    port: int
    password: str = field(repr=False)
    expires_at: datetime
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "Console":
        fields = Fields(data, "console")
        return cls(
            console_url=fields.text("console_url"),
            websocket_url=fields.text("websocket_url"),
            host=fields.text("host"),
            port=fields.whole("port"),
            password=fields.text("password"),
            expires_at=fields.time("expires_at"),
            raw=fields.raw,
        )


@dataclass(frozen=True)
class Operation:
    """The answer to deleting or to a power operation: `done`, or under way as the task `task_id`."""

    status: str
    message: str
    instance_id: str | None
    task_id: str | None
    duration_ms: int | None
    raw: Raw = field(repr=False, compare=False)

    @property
    def done(self) -> bool:
        return self.task_id is None or self.status.upper() in {"SUCCESS", "COMPLETED"}

    @classmethod
    def parse(cls, data: object) -> "Operation":
        fields = Fields(data, "operation")
        return cls(
            status=fields.text("status"),
            message=fields.text_or_none("message") or "",
            instance_id=fields.text_or_none("instance_id"),
            task_id=fields.text_or_none("task_id"),
            duration_ms=fields.whole_or_none("duration_ms"),
            raw=fields.raw,
        )


@dataclass(frozen=True)
class Task:
    """`status` goes PENDING → PROCESSING → COMPLETED or FAILED; `progress` is a percentage where it is known."""

    task_id: str
    status: str
    operation: str
    message: str
    progress: int | None
    created_at: datetime | None
    updated_at: datetime | None
    instance_id: str | None
    raw: Raw = field(repr=False, compare=False)

    @property
    def ended(self) -> bool:
        return self.status in {"COMPLETED", "FAILED"}

    @property
    def failed(self) -> bool:
        return self.status == "FAILED"

    @classmethod
    def parse(cls, data: object) -> "Task":
        fields = Fields(data, "task")
        progress = fields.whole_or_none("progress")
        return cls(
            task_id=fields.text("task_id"),
            status=fields.text("status").upper(),
            operation=fields.text("operation"),
            message=fields.text_or_none("message") or "",
            progress=None if progress is None else min(max(progress, 0), 100),
            created_at=fields.time_or_none("created_at"),
            updated_at=fields.time_or_none("updated_at"),
            instance_id=fields.texts("params").get("vm_uuid"),
            raw=fields.raw,
        )


@dataclass(frozen=True)
class Stats:
    """What a machine uses now: percentages (0 to 100), bytes, and bytes a second."""

    instance_id: str
    status: str
    cpu_percent: float
    cpu_cores: int
    memory_used: int
    memory_total: int
    memory_percent: float
    disk_read_rate: float
    disk_write_rate: float
    network_in_rate: float
    network_out_rate: float
    uptime_seconds: int
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "Stats":
        fields = Fields(data, "statistics")
        cpu, memory = fields.inner("cpu"), fields.inner("memory")
        disk, network = fields.inner("disk"), fields.inner("network")
        return cls(
            instance_id=fields.text("instance_id"),
            status=fields.text("status"),
            cpu_percent=cpu.number("usage_percent"),
            cpu_cores=cpu.whole("cores"),
            memory_used=memory.whole("used_bytes"),
            memory_total=memory.whole("total_bytes"),
            memory_percent=memory.number("usage_percent"),
            disk_read_rate=disk.number("read_bytes_sec"),
            disk_write_rate=disk.number("write_bytes_sec"),
            network_in_rate=network.number("in_bytes_sec"),
            network_out_rate=network.number("out_bytes_sec"),
            uptime_seconds=int(fields.number("uptime_seconds")),
            raw=fields.raw,
        )
