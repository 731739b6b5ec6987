"""The audit log's writing side: every request that would change something leaves a line, without what it said: but for
what staff says of the hardware, secrets excepted."""

import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from psycopg import OperationalError
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from bluelobster.access.last_use import address_of
from bluelobster.access.once import REPLAYED
from bluelobster.access.principal import Principal
from bluelobster.access.shown_once import SECRET_KEY
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.errors import ApiError
from bluelobster.http.handlers import CODES
from bluelobster.http.requests import request_id

log = logging.getLogger(__name__)

PREFIX = "/api/v1"
LONGEST_TARGET = 200
FAILURES = {500: "internal_error", 503: "service_unavailable"}
UNSHOWN = re.compile(r"[^ -~]")


@dataclass
class Line:
    """What one request leaves, in the log of the account that it concerns: the caller's, if no other is named. `status`
    is the one of success, `error` the code of what it was refused with. Once it is `kept`, it is in a transaction of
    the request that was committed."""

    principal: Principal
    operation: str
    client_ip: str | None
    target: str
    instance_id: UUID | None
    status: int
    error: str | None = None
    kept: bool = False
    account_id: UUID | None = None
    details: dict[str, Any] | None = None

    async def accept(self, tx: Tx, clock: Clock) -> None:
        """Part of what the request does: neither is kept without the other."""
        await self._write(tx, clock, self.status, None)

    async def settle(self, pool: Pool, clock: Clock, status: int) -> None:
        """For a request that was refused, or had no transaction to put it in. What happened has happened, whether this
        can be kept or not."""
        if self.kept:
            return
        error = self.error or FAILURES.get(status)
        try:
            async with transaction(pool) as tx:
                await self._write(tx, clock, status, error)
            self.kept = True
        except (OperationalError, PoolTimeout) as reason:
            log.error("%s by %s is missing in the audit log: %s", self.operation, self.principal.key_prefix, reason)

    async def _write(self, tx: Tx, clock: Clock, status: int, error: str | None) -> None:
        await tx.execute(
            """insert into audit_log (account_id, at, key_prefix, client_ip, request_id, operation, target,
                                      instance_id, status, error, details)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            (
                self.account_id or self.principal.account_id,
                clock.now(),
                self.principal.key_prefix,
                self.client_ip,
                request_id.get(),
                self.operation,
                self.target,
                self.instance_id,
                status,
                error,
                None if self.details is None else Jsonb(self.details),
            ),
        )


current: ContextVar[Line | None] = ContextVar("audit_line", default=None)


def concerning(instance_id: UUID) -> None:
    """The request that is being answered is about this instance, which its path does not name."""
    line = current.get()
    if line is not None:
        line.instance_id = instance_id


def concerning_account(account_id: UUID) -> None:
    """The request that is being answered is about this account, whoever asks."""
    line = current.get()
    if line is not None:
        line.account_id = account_id


def telling(body: BaseModel) -> None:
    """The request that is being answered says this. Of a secret only that there is one."""
    line = current.get()
    if line is not None:
        line.details = body.model_dump(mode="json", exclude_unset=True)


def line_of(request: Request, principal: Principal, operation: str, status: int) -> Line:
    """The line of a request that begins."""
    named = request.path_params.get("instance_id") or request.path_params.get("vm_uuid")
    line = Line(
        principal,
        operation,
        address_of(request.client.host) if request.client else None,
        shown(request.scope["path"]),
        _uuid(named),
        status,
    )
    current.set(line)
    request.state.line = line
    return line


async def settle(scope: Scope, status: int, headers: Headers) -> None:
    """Called when a request's answer is about to be sent: what it did is committed by then, and its connection is free.
    An answer that is only repeated changes nothing and leaves no line."""
    line: Line | None = scope.get("state", {}).get("line")
    if line is not None and REPLAYED not in headers:
        state = scope["app"].state
        await line.settle(state.pool, state.clock, status)


def shown(path: str) -> str:
    """A path as it may be kept: somebody may have put a whole key where its prefix belongs."""
    return UNSHOWN.sub("?", SECRET_KEY.sub("?", path.removeprefix(PREFIX)))[:LONGEST_TARGET]


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


def code_of(error: Exception) -> str:
    """The code in the answer that an exception becomes."""
    if isinstance(error, ApiError):
        return error.code
    if isinstance(error, RequestValidationError):
        return "validation_error"
    if isinstance(error, HTTPException):
        return CODES.get(error.status_code, "invalid_request")
    return FAILURES[503 if isinstance(error, OperationalError | PoolTimeout) else 500]
