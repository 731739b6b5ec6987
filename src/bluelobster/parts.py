"""What API and worker are made of, and the operator's commands."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bluelobster.access import last_use
from bluelobster.access import sessions as signed_in
from bluelobster.access.admission import Admission, Uses
from bluelobster.access.sealing import Seal
from bluelobster.catalog.connections import Connections
from bluelobster.clock import Clock, SystemClock
from bluelobster.db.pool import Pool, connect
from bluelobster.http.rates import MemoryRates, Rates
from bluelobster.payments.configured import payments_of
from bluelobster.payments.provider import Provider as PaymentProvider
from bluelobster.settings import Defaults, Settings
from bluelobster.users.oidc.provider import Provider, provider
from bluelobster.users.passwords import Passwords


@dataclass(frozen=True)
class Parts:
    """All of them, open."""

    pool: Pool
    clock: Clock
    seal: Seal
    connections: Connections
    defaults: Defaults
    settings: Settings
    admission: Admission
    passwords: Passwords
    payments: PaymentProvider | None
    provider: Provider | None


@asynccontextmanager
async def assembled(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Parts]:
    """The parts, opened; closed again at the end. ValueError for settings that cannot work."""
    seal = Seal.from_text(settings.key_text())
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            connect(
                settings.database_url,
                size=settings.database_connections,
                idle_seconds=settings.transaction_idle_seconds,
            )
        )
        connections = await stack.enter_async_context(Connections(pool, seal))
        rates = await stack.enter_async_context(rates_of(settings))
        uses = Uses(
            await stack.enter_async_context(last_use.last_uses(pool, last_use.write)),
            await stack.enter_async_context(last_use.last_uses(pool, signed_in.write_uses)),
        )
        admission = Admission(rates, settings.caller_rate, settings.stranger_rate, uses, settings.session_idle)
        passwords = Passwords(settings.password_memory_kib, settings.password_passes)
        payments = await stack.enter_async_context(payments_of(settings))
        known = await stack.enter_async_context(provider(settings.oidc)) if settings.oidc else None
        yield Parts(
            pool, clock or SystemClock(), seal, connections, Defaults(), settings, admission, passwords, payments, known
        )


@asynccontextmanager
async def rates_of(settings: Settings) -> AsyncIterator[Rates]:
    """Shared with other processes where there is a Redis for it."""
    if settings.redis_url is None:
        yield MemoryRates()
        return
    # Who has none does not wait for its client at every start.
    from bluelobster.http.shared_rates import shared_rates  # noqa: PLC0415

    async with shared_rates(settings.redis_url.get_secret_value()) as rates:
        yield rates
