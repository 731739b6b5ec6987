"""The permission table as a page of the documentation: `python -m bluelobster.access.table > docs/permissions.md`."""

from bluelobster.access.permissions import OPERATIONS, PUBLIC, ROLES

INTRODUCTION = """# Who may do what

A key has one role, in the whole account or in the one team that it is scoped to. A key that is scoped to a team sees
that team's instances and nothing else; what a key may not see answers 404, as if it did not exist. What it may see
but not do answers 403 with what is required. Somebody who is signed in may what a key with their role may.
"""
PERSONAL_ONES = """
Everybody who is signed in, and no key:
"""
PUBLIC_ONES = """
Everybody:
"""


def as_markdown() -> str:
    """One row an operation, one column a role."""
    lines = [INTRODUCTION, f"| operation | {' | '.join(ROLES)} | with a team's key |", "|---" * (len(ROLES) + 2) + "|"]
    for name, requirement in sorted(OPERATIONS.items()):
        if requirement.personal:
            continue
        marks = " | ".join("yes" if role in requirement.roles else "" for role in ROLES)
        team = "" if requirement.account_wide or requirement.least == "staff" else "yes"
        lines.append(f"| `{name}` | {marks} | {team} |")
    personal = [name for name, requirement in sorted(OPERATIONS.items()) if requirement.personal]
    lines += [PERSONAL_ONES, *(f"- `{name}`" for name in personal)]
    lines += [PUBLIC_ONES, *(f"- `{name}`" for name in sorted(PUBLIC))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
