"""A machine's life from launch to deletion."""

from cloud import CLEAN, SSH_KEY, TestCloud


async def test_a_machine_is_launched_shown_and_deleted(cloud: TestCloud) -> None:
    accepted = await cloud.launch(name="web-1", metadata={"project": "ml"})
    task = await cloud.completed(accepted["task_id"])
    assert task["operation"] == "create_instance"
    assert task["message"] == "VM created successfully"
    assert task["params"]["vm_uuid"] == accepted["vm_uuid"]

    shown = (await cloud.customer.get(f"/instances/{accepted['vm_uuid']}")).json()
    assert shown["name"] == "web-1"
    assert shown["ip_address"] == accepted["assigned_ip"]
    assert shown["power_status"] == "running"
    assert shown["metadata"] == {"project": "ml"}
    assert (shown["cpu_cores"], shown["memory"], shown["storage"]) == (2, 8, 250)
    assert (await cloud.customer.get("/instances")).json() == [shown]

    gone = await cloud.customer.delete(f"/instances/{accepted['vm_uuid']}")
    assert gone.status_code == 200, gone.text
    assert gone.json()["status"] == "success"
    assert (await cloud.customer.get(f"/instances/{accepted['vm_uuid']}")).status_code == 404
    assert (await cloud.customer.get("/instances")).json() == []
    assert await cloud.leftovers() == CLEAN


async def test_the_hypervisor_gets_what_was_asked_for(cloud: TestCloud) -> None:
    instance_id = await cloud.launched(name="gpu-1", instance_type="gpu_1x_a4000", password="correct-horse")
    vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
    client = await cloud.parts.connections.to("px1")
    config = {name: str(value) for name, value in (await client.vm_config(vmid)).options.items()}
    assert config["smbios1"] == f"uuid={instance_id}"
    assert config["name"] == "gpu-1"
    assert (config["cores"], config["memory"]) == ("8", "32768")
    assert "size=250G" in config["scsi0"]
    assert config["ciuser"] == "lobster"
    assert config["ciupgrade"] == "0"
    assert SSH_KEY.split()[1] in config["sshkeys"].replace("%2B", "+").replace("%2F", "/")
    assert config["hostpci0"] in {"mapping=a4000-0,pcie=1", "mapping=a4000-1,pcie=1"}
    assert config["net0"].endswith("bridge=vmbr0,firewall=1")
    assert config["ipconfig0"] == "ip=127.64.0.10/25,gw=127.64.0.1"
