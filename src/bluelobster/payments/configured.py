"""Which payment provider the settings name, if any."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from pydantic import SecretStr

from bluelobster.payments.provider import Provider
from bluelobster.payments.stripe import StripeAccount, stripe
from bluelobster.settings import Settings


@asynccontextmanager
async def payments_of(settings: Settings) -> AsyncIterator[Provider | None]:
    """The provider, until the end of the block; None where no credit can be bought."""
    account = stripe_account(settings)
    if account is None:
        yield None
        return
    async with stripe(account) as provider:
        yield provider


def stripe_account(settings: Settings) -> StripeAccount | None:
    if settings.stripe_secret_key is None or settings.stripe_webhook_secret is None:
        return None
    return StripeAccount(
        settings.stripe_secret_key.get_secret_value(),
        by_comma(settings.stripe_webhook_secret),
        settings.stripe_success_url,
        settings.stripe_cancel_url or None,
        settings.stripe_api_url,
    )


def by_comma(secrets: SecretStr) -> tuple[str, ...]:
    return tuple(each.strip() for each in secrets.get_secret_value().split(",") if each.strip())


def provider_of(request: Request) -> Provider | None:
    provider: Provider | None = request.app.state.payments
    return provider
