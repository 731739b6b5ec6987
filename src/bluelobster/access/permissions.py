"""Who may do what: one table, read by every route before it reads anything else."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "member", "admin", "owner", "staff"]

# Each may all that those before it may. `staff` is the operator's own people, in an account of theirs.
ROLES: tuple[Role, ...] = ("viewer", "member", "admin", "owner", "staff")


@dataclass(frozen=True)
class Requirement:
    """The least role that an operation asks for, and how its lack is said.

    `account_wide` operations are closed to keys that are scoped to a team, and those that are `personal` to all keys:
    they are about whoever is signed in.
    """

    least: Role
    refusal: str
    account_wide: bool = False
    personal: bool = False

    @property
    def roles(self) -> tuple[Role, ...]:
        return ROLES[ROLES.index(self.least) :]

    def refuses(self, role: Role, in_team: bool) -> str | None:
        """Why a key with this role may not; None when it may."""
        if self.personal:
            return self.refusal
        if role not in self.roles:
            return self.refusal.format(role=role)
        if self.account_wide and in_team:
            return "This key is scoped to a team; the operation needs a key of the whole account"
        return None


READ = Requirement("viewer", "Read permission required")
OPERATE = Requirement("member", "Write permission required")
FIREWALL = Requirement("member", "Your team role '{role}' cannot manage firewall. Required: owner, admin, or member")
ADMIN = Requirement("admin", "Admin permission required: the role owner or admin; this key's role is '{role}'")
BUY = Requirement("admin", "Buyer permission required")
ASSIGN = Requirement("admin", ADMIN.refusal, account_wide=True)
AUDIT = Requirement("admin", ADMIN.refusal, account_wide=True)
ACCOUNT = Requirement("viewer", READ.refusal, account_wide=True)
OWNER = Requirement("owner", "Owner permission required: this key's role is '{role}'", account_wide=True)
PAY = Requirement("admin", ADMIN.refusal, account_wide=True)
MONEY = Requirement("viewer", READ.refusal, account_wide=True)
STAFF = Requirement("staff", "Staff permission required")
PERSONAL = Requirement("viewer", "This is for people who are signed in: no key can do it", personal=True)

# What a stranger may ask: whether the service works, to be let in, and what its own signature lets in.
PUBLIC = frozenset(
    (
        "health_check",
        "sign_in",
        "accept_invitation",
        "begin_oidc_sign_in",
        "end_oidc_sign_in",
        "receive_stripe_event",
    )
)

# By the name of the operation's function, which is also the beginning of its operationId.
OPERATIONS: dict[str, Requirement] = {
    "get_task_status": READ,
    "list_tasks": READ,
    "list_templates": READ,
    "list_instances": READ,
    "get_available_instances": READ,
    "launch_standard_instance": BUY,
    "launch_custom_instance": STAFF,
    "get_resources": STAFF,
    "get_instance_log": READ,
    "get_instance": READ,
    "delete_instance": ADMIN,
    "reboot_instance": OPERATE,
    "shutdown_instance": OPERATE,
    "force_shutdown_instance": OPERATE,
    "power_on_instance": OPERATE,
    "power_cycle_instance": OPERATE,
    "rename_instance": OPERATE,
    "get_instance_stats": READ,
    "get_instance_firewall": FIREWALL,
    "update_instance_firewall": FIREWALL,
    "add_firewall_rule": FIREWALL,
    "get_firewall_rule": FIREWALL,
    "delete_firewall_rule": FIREWALL,
    "get_console_ticket": OPERATE,
    "list_instance_ips": READ,
    "assign_instance_ip": ADMIN,
    "release_instance_ip": ADMIN,
    "create_instance_backup": OPERATE,
    "list_instance_backups": READ,
    "list_all_backups": READ,
    "get_backup_storage": READ,
    "delete_backup": OPERATE,
    "update_backup_notes": OPERATE,
    "restore_instance_backup": OPERATE,
    "restore_backup_to_vm": OPERATE,
    "get_backup_schedule": READ,
    "create_backup_schedule": OPERATE,
    "delete_backup_schedule": OPERATE,
    "list_ssh_keys": READ,
    "create_ssh_key": ASSIGN,
    "delete_ssh_key": ASSIGN,
    "list_events": READ,
    "get_audit_log": AUDIT,
    "get_account": ACCOUNT,
    "close_account": OWNER,
    "get_quotas": ACCOUNT,
    "get_balance": MONEY,
    "get_usage": READ,
    "list_invoices": MONEY,
    "get_invoice": MONEY,
    "get_prices": READ,
    "create_top_up": PAY,
    "list_top_ups": PAY,
    "get_top_up": PAY,
    "get_spending_limits": MONEY,
    "set_spending_limit": ASSIGN,
    "set_team_spending_limit": ASSIGN,
    "admin_get_billing_terms": STAFF,
    "admin_set_billing_terms": STAFF,
    "admin_set_account_terms": STAFF,
    "assign_vm_to_team": ASSIGN,
    "remove_vm_from_team": ASSIGN,
    "list_team_instances": READ,
    "list_teams": READ,
    "get_team": READ,
    "create_team": ASSIGN,
    "rename_team": ASSIGN,
    "delete_team": ASSIGN,
    "list_team_members": READ,
    "invite_team_member": ADMIN,
    "change_team_member": ADMIN,
    "remove_team_member": ADMIN,
    "list_team_keys": ADMIN,
    "create_team_key": ADMIN,
    "revoke_team_key": ADMIN,
    "rotate_team_key": ADMIN,
    "list_keys": ASSIGN,
    "create_key": ASSIGN,
    "rotate_key": ASSIGN,
    "revoke_key": ASSIGN,
    "list_account_members": ASSIGN,
    "invite_account_member": ASSIGN,
    "change_account_member": ASSIGN,
    "remove_account_member": ASSIGN,
    "get_me": PERSONAL,
    "sign_out": PERSONAL,
    "change_my_password": PERSONAL,
    "list_sessions": PERSONAL,
    "end_session": PERSONAL,
    # Everything under /admin.
    "admin_list_accounts": STAFF,
    "admin_create_account": STAFF,
    "admin_get_account": STAFF,
    "admin_close_account": STAFF,
    "admin_reopen_account": STAFF,
    "admin_credit_account": STAFF,
    "admin_list_keys": STAFF,
    "admin_create_key": STAFF,
    "admin_rotate_key": STAFF,
    "admin_revoke_key": STAFF,
    "admin_get_account_quotas": STAFF,
    "admin_set_account_quota": STAFF,
    "admin_get_audit_log": STAFF,
    "admin_list_users": STAFF,
    "admin_create_user": STAFF,
    "admin_change_user": STAFF,
    "admin_reset_password": STAFF,
    "admin_list_quotas": STAFF,
    "admin_set_quota": STAFF,
    "admin_list_regions": STAFF,
    "admin_save_region": STAFF,
    "admin_remove_region": STAFF,
    "admin_list_hosts": STAFF,
    "admin_add_host": STAFF,
    "admin_get_host": STAFF,
    "admin_change_host": STAFF,
    "admin_remove_host": STAFF,
    "admin_check_host": STAFF,
    "admin_get_maintenance": STAFF,
    "admin_set_maintenance": STAFF,
    "admin_end_maintenance": STAFF,
    "admin_list_gpu_models": STAFF,
    "admin_save_gpu_model": STAFF,
    "admin_remove_gpu_model": STAFF,
    "admin_list_gpus": STAFF,
    "admin_add_gpus": STAFF,
    "admin_remove_gpu": STAFF,
    "admin_list_types": STAFF,
    "admin_create_type": STAFF,
    "admin_change_type": STAFF,
    "admin_list_pools": STAFF,
    "admin_add_pool": STAFF,
    "admin_add_internal_pool": STAFF,
    "admin_remove_pool": STAFF,
    "admin_remove_addresses": STAFF,
    "admin_list_templates": STAFF,
    "admin_change_template": STAFF,
    "admin_place_template": STAFF,
    "admin_withdraw_template": STAFF,
    "admin_list_prices": STAFF,
    "admin_change_price": STAFF,
}


def may_be_forbidden(operation: str) -> bool:
    """Whether there is a key that may not do it."""
    requirement = OPERATIONS.get(operation)
    return requirement is not None and (
        requirement.least != ROLES[0] or requirement.account_wide or requirement.personal
    )
