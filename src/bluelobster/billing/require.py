"""What costs needs an account that can pay for it: 402 says what is missing."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.billing.dollars import dollars
from bluelobster.billing.months import Month
from bluelobster.billing.standing import Standing
from bluelobster.db.pool import Tx
from bluelobster.http.errors import ApiError

# By the name of the operation's function.
COSTLY = frozenset(
    (
        "launch_standard_instance",
        "launch_custom_instance",
        "power_on_instance",
        "power_cycle_instance",
        "reboot_instance",
        "assign_instance_ip",
        "create_instance_backup",
        "restore_instance_backup",
        "restore_backup_to_vm",
    )
)


class PaymentRequired(ApiError):
    """The account has to pay first."""

    status: ClassVar[int] = 402


@dataclass(frozen=True)
class Limit:
    """What may be spent in a month, and what was; of an account, or of one of its teams."""

    whose: str
    most_cents: int
    spent_cents: int


@dataclass(frozen=True)
class Purse:
    """What an account can spend, and what its instances need of it, in cents."""

    standing: Standing
    exempt: bool
    available_cents: int
    hours: int
    needed_cents: int
    limit_cents: int | None
    spent_cents: int | None
    team_limit_cents: int | None
    team_spent_cents: int | None

    def limits(self) -> list[Limit]:
        """Those that are set."""
        found = []
        if self.limit_cents is not None:
            found.append(Limit("account", self.limit_cents, self.spent_cents or 0))
        if self.team_limit_cents is not None:
            found.append(Limit("team", self.team_limit_cents, self.team_spent_cents or 0))
        return found


async def require_credit(tx: Tx, instance_id: UUID, cents_per_hour: int, now: datetime) -> None:
    """For a launch whose row `tx` has written, with the account's quotas held. Raises PaymentRequired unless there is
    credit for all instances of the account, this one with them, for as many hours as the terms say, and unless no
    spending limit would be passed in them."""
    purse = await _purse(tx, instance_id, now)
    if purse.exempt:
        return
    _must_owe_nothing(purse)
    missing = purse.needed_cents - purse.available_cents
    if missing > 0:
        raise PaymentRequired(
            "insufficient_credit",
            f"The account can spend {dollars(purse.available_cents)}, and its instances, with this one, cost "
            f"{dollars(purse.needed_cents)} in {_hours(purse.hours)}; add {dollars(missing)} or more and launch again",
            available_cents=purse.available_cents,
            needed_cents=purse.needed_cents,
            missing_cents=missing,
        )
    _must_stay_within(purse, cents_per_hour * purse.hours)


async def require_paid_up(tx: Tx, instance_id: UUID, now: datetime) -> None:
    """For what makes an instance cost more. Raises PaymentRequired for an account that owes, and where a spending limit
    is reached."""
    purse = await _purse(tx, instance_id, now)
    if not purse.exempt:
        _must_owe_nothing(purse)
        _must_stay_within(purse, 1)


async def require_not_suspended(tx: Tx, account_id: UUID) -> None:
    """For what runs a machine, or keeps something of it. Raises PaymentRequired for an account whose instances are shut
    down because it owes."""
    cursor = await tx.execute(
        """select a.standing, m.available_cents::bigint from accounts a join means m on m.account_id = a.id
           where a.id = %s and a.standing in ('suspended', 'terminated') and not m.exempt and m.available_cents < 0""",
        (account_id,),
    )
    row = await cursor.fetchone()
    if row is not None:
        raise owing(row[0], row[1])


def owing(standing: Standing, available_cents: int) -> PaymentRequired:
    """The account owes; what it may do again when it has paid."""
    code = "account_past_due" if standing in ("good", "past_due") else "account_suspended"
    until = "make anything new" if code == "account_past_due" else "run its instances"
    return PaymentRequired(
        code,
        f"The account owes {dollars(-available_cents)} more than it may; pay that or more to {until}",
        standing=standing,
        missing_cents=-available_cents,
    )


def _must_owe_nothing(purse: Purse) -> None:
    if purse.available_cents < 0:
        raise owing(purse.standing, purse.available_cents)


def _must_stay_within(purse: Purse, more_cents: int) -> None:
    for limit in purse.limits():
        if limit.spent_cents + more_cents > limit.most_cents:
            raise PaymentRequired(
                "spending_limit_reached",
                f"The {limit.whose} may spend {dollars(limit.most_cents)} in a month; {dollars(limit.spent_cents)} are "
                f"spent, and this needs {dollars(more_cents)} more. Raise the limit, or wait for the next month",
                limit=limit.whose,
                limit_cents=limit.most_cents,
                spent_cents=limit.spent_cents,
            )


def _hours(count: int) -> str:
    return "1 hour" if count == 1 else f"{count} hours"


async def _purse(tx: Tx, instance_id: UUID, now: datetime) -> Purse:
    async with tx.cursor(row_factory=class_row(Purse)) as cursor:
        await cursor.execute(
            """select a.standing, m.exempt, m.available_cents::bigint, t.launch_hours as hours,
                      (select coalesce(sum(i.price_cents_per_hour), 0) * t.launch_hours from instances i
                       where i.account_id = a.id and i.ended_at is null)::bigint as needed_cents,
                      a.spending_limit_cents as limit_cents, g.spending_limit_cents as team_limit_cents,
                      case when a.spending_limit_cents is not null then charged_to_account(a.id, %(month)s) end
                        as spent_cents,
                      case when g.spending_limit_cents is not null then charged_to_team(a.id, g.id, %(month)s) end
                        as team_spent_cents
               from instances n join accounts a on a.id = n.account_id join means m on m.account_id = a.id
               cross join billing_terms t left join teams g on g.id = n.team_id
               where n.id = %(instance_id)s""",
            {"instance_id": instance_id, "month": Month.of(now).first},
        )
        purse = await cursor.fetchone()
    if purse is None:
        raise LookupError(f"there is no instance {instance_id}")
    return purse
