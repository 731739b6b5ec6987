"""The API as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from bluelobster import health
from bluelobster.access import audit_routes as audit
from bluelobster.access.permissions import may_be_forbidden
from bluelobster.accounts import member_routes as account_members
from bluelobster.accounts import routes as accounts
from bluelobster.backups import restore_routes as restores
from bluelobster.backups import routes as backups
from bluelobster.backups import schedule_routes as backup_schedules
from bluelobster.billing import routes as billing
from bluelobster.billing.require import COSTLY
from bluelobster.catalog import routes as catalog
from bluelobster.clock import Clock
from bluelobster.console import page as console_page
from bluelobster.console import routes as console
from bluelobster.console.gateway import running_gateway
from bluelobster.events import routes as events
from bluelobster.events.feed import Feed
from bluelobster.firewall import routes as firewall
from bluelobster.http.handlers import answer_errors
from bluelobster.http.head import HeadLikeGet
from bluelobster.http.limits import BodyLimit
from bluelobster.http.openapi import complete_openapi
from bluelobster.http.rate_headers import RateHeaders
from bluelobster.http.requests import RequestIds
from bluelobster.instances import routes as instances
from bluelobster.ips import routes as ips
from bluelobster.keys import routes as keys
from bluelobster.parts import Parts, assembled
from bluelobster.payments import routes as top_ups
from bluelobster.payments import webhook as payment_webhook
from bluelobster.quotas import routes as quotas
from bluelobster.settings import Settings
from bluelobster.ssh_keys import routes as ssh_keys
from bluelobster.staff import accounts as staff_accounts
from bluelobster.staff import gpus as staff_gpus
from bluelobster.staff import hosts as staff_hosts
from bluelobster.staff import maintenance as staff_maintenance
from bluelobster.staff import pools as staff_pools
from bluelobster.staff import prices as staff_prices
from bluelobster.staff import quotas as staff_quotas
from bluelobster.staff import regions as staff_regions
from bluelobster.staff import templates as staff_templates
from bluelobster.staff import terms as staff_terms
from bluelobster.staff import types as staff_types
from bluelobster.staff import users as staff_users
from bluelobster.tasks import routes as tasks
from bluelobster.teams import routes as teams
from bluelobster.users import routes as users
from bluelobster.users.oidc import routes as oidc

DESCRIPTION = """Launch, power, watch and pay for virtual machines with GPUs.

Every request but the health check, signing in, and what a payment provider signs, carries an API key in `X-API-Key`, or
the session of somebody who signed in (`POST /api/v1/auth/sign-in`) as `Authorization: Bearer …` or as a cookie: they
may what a key with their role may.
Whoever is in several accounts or teams says in `X-Account` (name or id) and `X-Team` (id) where they act.

Operations that take time answer with a `task_id`; poll `/api/v1/tasks/{task_id}` until it is `COMPLETED` or
`FAILED`. Errors are `{"error": "<code>", "message": "<sentence>"}`.

Send an `Idempotency-Key` of your own (1 to 255 visible characters, such as a UUID) with a POST that makes or does
something: a request that is sent again with it is not carried out again, and answered as the first was, with
`Idempotency-Replayed: true` and without secrets. Every answer tells in `RateLimit-Limit`, `RateLimit-Remaining` and
`RateLimit-Reset` how many requests your key may still make at once; beyond that it is 429 with `Retry-After`."""


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The API, which opens what it needs when it is started."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with assembled(settings, clock) as parts, running_gateway(parts, settings) as address:
            attach(app, parts)
            app.state.console = address
            yield

    app = FastAPI(
        title="Blue Lobster Instance API",
        version="1.0.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(health.router)
    app.include_router(tasks.router)
    app.include_router(catalog.router)
    app.include_router(catalog.staff_router)
    app.include_router(instances.router)
    app.include_router(firewall.router)
    app.include_router(ips.router)
    app.include_router(backups.router)
    app.include_router(restores.router)
    app.include_router(backup_schedules.router)
    app.include_router(console.router)
    app.include_router(console_page.router)
    app.include_router(ssh_keys.router)
    app.include_router(keys.router)
    app.include_router(quotas.router)
    app.include_router(accounts.router)
    app.include_router(account_members.router)
    app.include_router(users.public)
    app.include_router(users.router)
    app.include_router(oidc.router)
    app.include_router(staff_accounts.router)
    app.include_router(staff_users.router)
    app.include_router(staff_quotas.router)
    app.include_router(staff_terms.router)
    app.include_router(staff_regions.router)
    app.include_router(staff_hosts.router)
    app.include_router(staff_maintenance.router)
    app.include_router(staff_gpus.router)
    app.include_router(staff_types.router)
    app.include_router(staff_pools.router)
    app.include_router(staff_templates.router)
    app.include_router(staff_prices.router)
    app.include_router(teams.router)
    app.include_router(teams.listing)
    app.include_router(teams.instances)
    app.include_router(events.router)
    app.include_router(audit.router)
    app.include_router(billing.router)
    app.include_router(top_ups.router)
    app.include_router(payment_webhook.router)
    answer_errors(app)
    complete_openapi(app, may_be_forbidden, COSTLY)
    app.add_middleware(HeadLikeGet)
    app.add_middleware(BodyLimit)
    app.add_middleware(RateHeaders)
    app.add_middleware(RequestIds)
    return app


def attach(app: FastAPI, parts: Parts) -> None:
    """Let the routes find the parts."""
    app.state.pool = parts.pool
    app.state.clock = parts.clock
    app.state.seal = parts.seal
    app.state.connections = parts.connections
    app.state.defaults = parts.defaults
    app.state.settings = parts.settings
    app.state.admission = parts.admission
    app.state.payments = parts.payments
    app.state.passwords = parts.passwords
    app.state.provider = parts.provider
    app.state.feed = Feed(parts.settings.database_url, parts.settings.event_streams)
