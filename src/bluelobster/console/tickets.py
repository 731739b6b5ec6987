"""Tickets for the console: each opens the screen of one instance, once and within seconds."""

import hashlib
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.access.principal import Principal
from bluelobster.access.sealing import Seal
from bluelobster.db.pool import Tx

LIFETIME = timedelta(seconds=30)
# People type the password: no characters that look like others.
ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))
TICKET_LENGTH = 40
PASSWORD_LENGTH = 8


@dataclass(frozen=True)
class Ticket:
    """A fresh ticket, of which this is the only copy. VNC cuts passwords at eight characters, so the password is the
    ticket's beginning: a viewer that is given the whole ticket as a password is let in, too."""

    instance_id: UUID
    text: str = field(repr=False)
    expires_at: datetime

    @property
    def password(self) -> str:
        return self.text[:PASSWORD_LENGTH]


@dataclass(frozen=True)
class Screen:
    """What a ticket has opened, and for whom."""

    instance_id: UUID
    host_id: str
    vmid: int
    running: bool
    account_id: UUID
    team_id: UUID | None
    key_prefix: str
    session_id: UUID | None


def hash_of(text: str) -> bytes:
    """SHA-256 of a ticket: what is random needs no slow hash."""
    return hashlib.sha256(text.encode()).digest()


def purpose_of(ticket_id: UUID) -> str:
    return f"console ticket {ticket_id}"


async def issue(tx: Tx, caller: Principal, instance_id: UUID, seal: Seal, now: datetime) -> Ticket:
    """A ticket for an instance. Those of anybody that are too old are forgotten on this occasion."""
    ticket = Ticket(instance_id, "".join(secrets.choice(ALPHABET) for _ in range(TICKET_LENGTH)), now + LIFETIME)
    ticket_id = uuid4()
    await tx.execute("delete from console_tickets where expires_at < %s", (now,))
    await tx.execute(
        """insert into console_tickets (id, instance_id, ticket_hash, password_sealed, expires_at,
                                        account_id, team_id, key_prefix, session_id)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            ticket_id,
            instance_id,
            hash_of(ticket.text),
            seal.seal(ticket.password, purpose_of(ticket_id)),
            ticket.expires_at,
            caller.account_id,
            caller.team_id,
            caller.key_prefix,
            caller.session_id,
        ),
    )
    return ticket


async def id_of(tx: Tx, text: str) -> UUID | None:
    """The id of a ticket, whether it may be used or not."""
    cursor = await tx.execute("select id from console_tickets where ticket_hash = %s", (hash_of(text),))
    row = await cursor.fetchone()
    return row[0] if row else None


async def passwords(tx: Tx, seal: Seal, now: datetime) -> dict[UUID, str]:
    """The passwords of all tickets that may be used now. VNC proves a password but names nothing: the ticket has to
    be found by trying."""
    cursor = await tx.execute(
        "select id, password_sealed from console_tickets where used_at is null and expires_at > %s", (now,)
    )
    return {row[0]: seal.unseal(row[1], purpose_of(row[0])) for row in await cursor.fetchall()}


async def use(tx: Tx, ticket_id: UUID, now: datetime) -> Screen | None:
    """Use a ticket up. None when somebody has already, or when it is too old; of many at once one gets the screen."""
    async with tx.cursor(row_factory=class_row(Screen)) as cursor:
        await cursor.execute(
            """update console_tickets t set used_at = %(now)s from instances i
               where t.id = %(id)s and t.used_at is null and t.expires_at > %(now)s and i.id = t.instance_id
               returning i.id as instance_id, i.host_id, i.vmid,
                         t.account_id, t.team_id, t.key_prefix, t.session_id,
                         i.status = 'rented' and i.power_status = 'running' and i.ended_at is null as running""",
            {"id": ticket_id, "now": now},
        )
        return await cursor.fetchone()
