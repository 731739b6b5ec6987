"""`Idempotency-Key`: a request that is sent twice is carried out once, and answered alike both times."""

import hmac
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import HTTPException, Request, Response
from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from starlette.requests import ClientDisconnect

from bluelobster.access.principal import Principal
from bluelobster.access.sealing import Seal
from bluelobster.access.shown_once import without_secrets
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.errors import Conflict, InvalidRequest
from bluelobster.http.later import Later

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
NAME = re.compile(r"[!-~]{1,255}")
ABANDONED = timedelta(minutes=2)
FIRST_ERROR = 400

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Once:
    """A request that its caller gave a name; `digest` tells it from others without telling what it said."""

    principal: Principal
    method: str
    path: str
    name: str
    digest: bytes
    now: datetime
    forgotten: datetime

    async def begin(self, tx: Tx) -> Response | None:
        """The answer that was given already, or None where the request is to be carried out; until `tx` ends, no other
        like it begins. Raises Conflict for another request under this name, and while the first is under way."""
        cursor = await tx.execute("select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (repr(self._place),))
        locked = await cursor.fetchone()
        if locked is None or not locked[0]:
            raise in_progress()
        cursor = await tx.execute(
            f"select digest, status, body, created_at from request_answers where {PLACE} and created_at > %s",
            (*self._place, self.forgotten),
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        digest, status, body, created_at = row
        if not hmac.compare_digest(digest, self.digest):
            raise Conflict(
                "idempotency_key_reused", f"This {HEADER} was used for another request; use a new one for each request"
            )
        if status is not None:
            return Response(body, status, {REPLAYED: "true"}, "application/json")
        if created_at > self.now - ABANDONED:
            raise in_progress()
        return None

    async def keep(self, tx: Tx, response: Response | None) -> None:
        """Remember the answer, without what is shown only once; None while it is not known."""
        status = None if response is None else response.status_code
        body = None if response is None else _text(response)
        await tx.execute(
            """insert into request_answers
                 (account_id, key_prefix, method, path, name, digest, status, body, created_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
               on conflict (account_id, key_prefix, name, method, path) do update
               set digest = excluded.digest, status = excluded.status, body = excluded.body,
                   created_at = excluded.created_at""",
            (*self._place, self.digest, status, body, self.now),
        )

    async def forget(self, tx: Tx) -> None:
        """The request failed: the next one like it is carried out."""
        await tx.execute(f"delete from request_answers where {PLACE}", self._place)

    @property
    def _place(self) -> tuple[object, ...]:
        return (self.principal.account_id, self.principal.key_prefix, self.method, self.path, self.name)


PLACE = "(account_id, key_prefix, method, path, name) = (%s, %s, %s, %s, %s)"


def in_progress() -> Conflict:
    error = Conflict("request_in_progress", f"The first request with this {HEADER} is still being answered; try again")
    error.headers["Retry-After"] = "1"
    return error


def _text(response: Response) -> str:
    if not response.body:
        return ""
    return json.dumps(without_secrets(json.loads(bytes(response.body))), ensure_ascii=False, separators=(",", ":"))


async def once_of(request: Request, principal: Principal) -> Once | None:
    """What the request is called, if anything; InvalidRequest for what is no name."""
    seal: Seal = request.app.state.seal
    now: datetime = request.app.state.clock.now()
    keep = timedelta(hours=request.app.state.settings.idempotency_hours)
    name = request.headers.get(HEADER)
    if name is None:
        return None
    if not NAME.fullmatch(name):
        raise InvalidRequest(
            "invalid_idempotency_key", f"{HEADER} must be 1 to 255 visible ASCII characters, such as a UUID"
        )
    try:
        body = await request.body()
    except ClientDisconnect:
        raise HTTPException(400) from None
    path = request.url.path
    asked = f"{path}?{request.url.query}" if request.url.query else path
    # Somebody who is in two teams asks something else of each.
    digest = seal.digest(f"{request.method} {asked} {principal.team_id}\n".encode() + body, "request")
    return Once(principal, request.method, path, name, digest, now, now - keep)


async def within(once: Once, tx: Tx, pool: Pool, request: Request, answer: Answer) -> Response:
    """Answer in the transaction that also keeps the answer: neither can be lost without the other."""
    if replay := await once.begin(tx):
        return replay
    response = await answer(request)
    if response.status_code < FIRST_ERROR:
        await once.keep(tx, response)
    if isinstance(response, Later):

        async def keep_final(final: Response) -> None:
            with suppress(OperationalError, PoolTimeout):
                async with pool.connection() as connection:
                    await once.keep(connection, final)

        response.settled = keep_final
    return response


async def around(once: Once, pool: Pool, request: Request, answer: Answer) -> Response:
    """The same for a route with transactions of its own: another request like it is refused while the first runs. One
    whose process died in between is carried out again after a while, because nobody knows how far it came."""
    async with transaction(pool) as tx:
        if replay := await once.begin(tx):
            return replay
        await once.keep(tx, None)
    kept = False
    try:
        response = await answer(request)
        if response.status_code < FIRST_ERROR:
            async with transaction(pool) as tx:
                await once.keep(tx, response)
            kept = True
        return response
    finally:
        if not kept:
            async with transaction(pool) as tx:
                await once.forget(tx)


async def forget_old_answers(pool: Pool, clock: Clock, keep: timedelta) -> None:
    """Remove what nobody may ask for again."""
    async with transaction(pool) as tx:
        await tx.execute("delete from request_answers where created_at <= %s", (clock.now() - keep,))
