"""GPUs, instance types, pools, regions and images that staff adds, changes and removes."""

from typing import Any

from cloud import LAUNCH, TestCloud
from flow.test_hosts_by_api import done, refused

REGION = {"name": "eu-1", "description": "Oslo, NO", "city": "Oslo", "state": "-", "country": "NO"}
MODEL = {"name": "H900", "marketing": "H900", "description": "NVIDIA H900 (900GB VRAM)"}
TYPE: dict[str, Any] = {
    "name": "gpu_1x_h900",
    "description": "One",
    "price_cents_per_hour": 90,
    "vcpus": 4,
    "memory_gb": 8,
    "disk_gb": 40,
    "gpus": 1,
    "gpu_model": "H900",
}


async def test_a_gpu_is_added_sold_and_removed(cloud: TestCloud) -> None:
    await done(cloud, "PUT", "/gpu-models", MODEL)
    assert MODEL in (await done(cloud, "GET", "/gpu-models"))["gpu_models"]
    await done(cloud, "DELETE", "/hosts/px1/gpus/a4000-1", status=204)
    there = await done(cloud, "POST", "/hosts/px1/gpus", {"model": "H900", "mappings": ["a4000-1"]}, 201)
    assert [(each["model"], each["mapping"]) for each in there["gpus"]] == [("A4000", "a4000-0"), ("H900", "a4000-1")]
    await done(cloud, "POST", "/instance-types", {**TYPE, "gpu_description": "NVIDIA H900"}, 201)
    instance_id = await cloud.launched(instance_type="gpu_1x_h900")
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    assert (shown["gpu_model"], shown["price_cents_per_hour"]) == ("H900", 90)
    assert (await refused(cloud, "DELETE", "/hosts/px1/gpus/a4000-1"))[:2] == (409, "gpu_in_use")
    other = {"model": "A4000", "mappings": ["a4000-1"]}
    assert (await refused(cloud, "POST", "/hosts/px1/gpus", other))[:2] == (409, "gpu_in_use")
    assert (await refused(cloud, "DELETE", "/gpu-models/H900"))[:2] == (409, "gpu_model_in_use")
    await cloud.customer.delete(f"/instances/{instance_id}")
    await done(cloud, "DELETE", "/hosts/px1/gpus/a4000-1", status=204)


async def test_gpus_that_cannot_be(idle_cloud: TestCloud) -> None:
    missing = {"model": "A4000", "mappings": ["a4000-0", "a4000-7"]}
    said = "px1 has no resource mapping a4000-7; it has a4000-0, a4000-1"
    assert await refused(idle_cloud, "POST", "/hosts/px1/gpus", missing) == (400, "host_unfit", said)
    unknown = {"model": "X1", "mappings": ["a4000-0"]}
    said = "there is no GPU model X1"
    assert await refused(idle_cloud, "POST", "/hosts/px1/gpus", unknown) == (400, "invalid_request", said)
    assert (await refused(idle_cloud, "POST", "/hosts/px9/gpus", unknown))[:2] == (404, "host_not_found")
    assert (await refused(idle_cloud, "DELETE", "/hosts/px1/gpus/x"))[:2] == (404, "gpu_not_found")
    assert (await refused(idle_cloud, "DELETE", "/gpu-models/X1"))[:2] == (404, "gpu_model_not_found")
    await done(idle_cloud, "PUT", "/gpu-models", MODEL)
    await done(idle_cloud, "DELETE", "/gpu-models/H900", status=204)


async def test_a_type_is_changed_and_retired(idle_cloud: TestCloud) -> None:
    await idle_cloud.launch()
    changed = await done(idle_cloud, "PATCH", "/instance-types/v1_cpu_small", {"vcpus": 3})
    assert (changed["vcpus"], changed["retired"], changed["price_cents_per_hour"] > 0) == (3, False, True)
    retired = await done(idle_cloud, "PATCH", "/instance-types/v1_cpu_small", {"retired": True})
    assert retired == {**changed, "retired": True}
    assert retired in (await done(idle_cloud, "GET", "/instance-types"))["instance_types"]
    assert (await idle_cloud.customer.post("/instances/launch-instance", json=LAUNCH)).status_code == 400
    assert len((await idle_cloud.customer.get("/instances")).json()) == 1
    still = await done(idle_cloud, "PATCH", "/instance-types/v1_cpu_small", {"description": "Old"})
    assert (still["retired"], still["description"]) == (True, "Old")
    again = await done(idle_cloud, "PATCH", "/instance-types/v1_cpu_small", {"retired": False})
    assert again["retired"] is False
    await idle_cloud.launch()
    assert (await refused(idle_cloud, "POST", "/instance-types", {**TYPE, "name": "v1_cpu_small"}))[1] == "name_taken"
    assert (await refused(idle_cloud, "PATCH", "/instance-types/x", {}))[:2] == (404, "instance_type_not_found")
    assert (await refused(idle_cloud, "POST", "/instance-types", TYPE))[2] == "there is no GPU model H900"
    assert (await refused(idle_cloud, "POST", "/instance-types", {**TYPE, "gpu_model": None}))[0] == 422


async def test_pools_grow_shrink_and_go(idle_cloud: TestCloud) -> None:
    pool = {"region": "us-east-1", "network": "192.0.2.0/29", "gateway": "192.0.2.1", "last": "192.0.2.4"}
    added = await done(idle_cloud, "POST", "/pools", pool, 201)
    assert (added["total"], added["used"], added["gateway"]) == (3, 0, "192.0.2.1")
    grown = await done(idle_cloud, "POST", "/pools", {**pool, "last": None}, 201)
    assert (grown["id"], grown["total"]) == (added["id"], 5)
    path = f"/pools/{added['id']}"
    shrunk = await done(idle_cloud, "DELETE", f"{path}/addresses?first=192.0.2.5&last=192.0.2.200")
    assert shrunk["total"] == 3
    used = (await idle_cloud.launch())["assigned_ip"]
    (busy,) = [each for each in (await done(idle_cloud, "GET", "/pools"))["pools"] if each["used"]]
    taken = (409, "addresses_in_use", f"machines have {used}")
    assert await refused(idle_cloud, "DELETE", f"/pools/{busy['id']}") == taken
    span = f"first={used}&last={used}"
    assert await refused(idle_cloud, "DELETE", f"/pools/{busy['id']}/addresses?{span}") == taken
    await done(idle_cloud, "DELETE", path, status=204)
    for wrong in (path, "/pools/nope", f"/pools/{idle_cloud.key[:8]}"):
        assert (await refused(idle_cloud, "DELETE", wrong))[:2] == (404, "pool_not_found")
    assert (await idle_cloud.staff.delete(f"/admin/pools/{busy['id']}/addresses?first=x&last=y")).status_code == 422


async def test_pools_that_cannot_be(idle_cloud: TestCloud) -> None:
    pool = {"region": "us-east-1", "network": "192.0.2.0/29", "gateway": "192.0.2.1"}
    for changes, words in (
        ({"region": "mars"}, "there is no region mars"),
        ({"network": "192.0.2.1/29"}, "192.0.2.1/29 is not a network; did you mean 192.0.2.0/29?"),
        ({"gateway": "198.51.100.1"}, "gateway, first and last must be in 192.0.2.0/29, first before last"),
        ({"nameservers": ["9.9"]}, "Expected 4 octets in '9.9'"),
    ):
        assert (await refused(idle_cloud, "POST", "/pools", {**pool, **changes}))[2] == words
    await done(idle_cloud, "PUT", "/regions", REGION)
    await done(idle_cloud, "POST", "/pools", pool, 201)
    assert (await refused(idle_cloud, "POST", "/pools", {**pool, "region": "eu-1"}))[1] == "network_taken"
    internal = {"region": "eu-1", "network": "10.91.0.0/29", "first_tag": 20, "last_tag": 9}
    assert (await refused(idle_cloud, "POST", "/pools/internal", internal))[1] == "invalid_pool"
    added = await done(idle_cloud, "POST", "/pools/internal", {**internal, "last_tag": 29}, 201)
    assert (added["kind"], added["first_tag"], added["total"]) == ("internal", 20, 6)
    assert (await refused(idle_cloud, "DELETE", "/regions/eu-1"))[:2] == (409, "region_in_use")
    await done(idle_cloud, "DELETE", f"/pools/{added['id']}", status=204)
    await done(idle_cloud, "DELETE", "/regions/eu-1", status=204)
    assert (await refused(idle_cloud, "DELETE", "/regions/eu-1"))[:2] == (404, "region_not_found")
    assert (await refused(idle_cloud, "DELETE", "/regions/us-east-1"))[:2] == (409, "region_in_use")


async def test_images_that_are_not_there(idle_cloud: TestCloud) -> None:
    path = "/templates/TINY-LINUX/hosts/px1"
    for volume in ("local:import/other.qcow2", "backup:import/tiny-linux.qcow2", "local:iso/x.iso", "x"):
        assert (await refused(idle_cloud, "PUT", path, {"volume": volume}))[:2] == (400, "host_unfit")
    real = {"volume": "local:import/tiny-linux.qcow2"}
    assert (await refused(idle_cloud, "PUT", "/templates/NONE/hosts/px1", real))[:2] == (404, "template_not_found")
    assert (await refused(idle_cloud, "PUT", "/templates/TINY-LINUX/hosts/px9", real))[:2] == (404, "host_not_found")
    await idle_cloud.launch()
    assert (await refused(idle_cloud, "DELETE", path))[:2] == (409, "template_in_use")
    assert (await refused(idle_cloud, "DELETE", "/templates/NONE/hosts/px1"))[:2] == (404, "template_not_found")
    assert (await done(idle_cloud, "PUT", path, real))["hosts"] == ["px1"]


async def test_what_staff_said_is_in_its_log(idle_cloud: TestCloud) -> None:
    await done(idle_cloud, "PUT", "/gpu-models", MODEL)
    await done(idle_cloud, "PUT", "/prices/v1_cpu_small", {"cents": 4})
    await done(idle_cloud, "DELETE", "/gpu-models/H900", status=204)
    log = (await idle_cloud.staff.get("/audit-log")).json()["entries"]
    assert [(each["operation"], each["target"], each["details"]) for each in log] == [
        ("admin_remove_gpu_model", "/admin/gpu-models/H900", None),
        ("admin_change_price", "/admin/prices/v1_cpu_small", {"cents": 4}),
        ("admin_save_gpu_model", "/admin/gpu-models", MODEL),
    ]
