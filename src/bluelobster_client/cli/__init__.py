"""The commands of a user of the cloud. Each talks to the API only."""

# Name of the command: where it is, and what its help says in one line. Nothing is imported before it is used.
COMMANDS: dict[str, tuple[str, str]] = {
    "launch": ("bluelobster_client.cli.launch:launch", "Launch a virtual machine and show how to log in."),
    "list": ("bluelobster_client.cli.instances:list_instances", "List your instances."),
    "show": ("bluelobster_client.cli.instances:show", "Show one instance."),
    "ssh": ("bluelobster_client.cli.ssh:ssh", "Log in to an instance by SSH."),
    "console": ("bluelobster_client.cli.console:console", "Get a link to an instance's screen."),
    "delete": ("bluelobster_client.cli.instances:delete", "Delete an instance and all its data."),
    "reboot": ("bluelobster_client.cli.power:reboot", "Reset an instance, as by its reset button."),
    "shutdown": ("bluelobster_client.cli.power:shutdown", "Ask the guest to shut down."),
    "force-shutdown": ("bluelobster_client.cli.power:force_shutdown", "Switch an instance off at once."),
    "power-on": ("bluelobster_client.cli.power:power_on", "Switch a stopped instance on."),
    "power-cycle": ("bluelobster_client.cli.power:power_cycle", "Switch an instance off and on."),
    "rename": ("bluelobster_client.cli.instances:rename", "Give an instance another name."),
    "ip": ("bluelobster_client.cli.ips:ip", "List, add and remove an instance's IP addresses."),
    "backup": ("bluelobster_client.cli.backups:backup", "Make, list, restore and delete backups."),
    "stats": ("bluelobster_client.cli.stats:stats", "Show what an instance uses: CPU, memory, disk, network."),
    "ssh-key": ("bluelobster_client.cli.registered:ssh_key", "List, add and remove the SSH keys that launches name."),
    "billing": ("bluelobster_client.cli.billing:billing", "Show balance, usage, invoices and prices; buy credit."),
    "types": (
        "bluelobster_client.cli.catalogue:types",
        "List the instance types, their prices and where there is room.",
    ),
    "templates": ("bluelobster_client.cli.catalogue:templates", "List what an instance can be launched with."),
    "tasks": ("bluelobster_client.cli.tasks:tasks", "List recent operations."),
    "task": ("bluelobster_client.cli.tasks:task", "Show one operation."),
    "events": ("bluelobster_client.cli.events:events", "Show what happened, and with --follow what happens."),
    "health": ("bluelobster_client.cli.health:health", "Ask whether the API is well."),
}
