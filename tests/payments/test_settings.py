"""Which payments the settings ask for, and what is said of settings that cannot work."""

import pytest
from pydantic import ValidationError

from bluelobster.payments.configured import stripe_account
from bluelobster.settings import Settings

BOTH = {"stripe_secret_key": "sk_test_1", "stripe_webhook_secret": "whsec_1, whsec_2"}
PAGE = "https://cloud.example.com/paid"


def settings(**given: object) -> Settings:
    return Settings(database_url="postgresql://nowhere", **given)  # type: ignore[arg-type]


def test_off_unless_asked_for() -> None:
    assert stripe_account(settings()) is None
    account = stripe_account(settings(**BOTH, stripe_success_url=PAGE))
    assert account is not None
    assert account.webhook_secrets == ("whsec_1", "whsec_2")
    assert (account.cancel_url, account.api_url) == (None, "https://api.stripe.com")
    assert "sk_test" not in repr(account) + repr(settings(**BOTH, stripe_success_url=PAGE))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"stripe_secret_key": "sk_test_1", "stripe_success_url": PAGE}, "stripe_webhook_secret"),
        ({"stripe_webhook_secret": "whsec_1", "stripe_success_url": PAGE}, "stripe_webhook_secret"),
        ({**BOTH, "stripe_webhook_secret": "whsec_1,"}, "stripe_webhook_secret"),
        ({**BOTH, "stripe_webhook_secret": ""}, "stripe_webhook_secret"),
        (BOTH, "stripe_success_url"),
        ({**BOTH, "stripe_success_url": "/paid"}, "stripe_success_url"),
        ({**BOTH, "stripe_success_url": PAGE, "stripe_cancel_url": "back"}, "stripe_cancel_url"),
        ({"stripe_api_url": "http://api.stripe.com"}, "stripe_api_url"),
        ({"top_up_least_cents": 600_000}, "top_up_most_cents"),
        ({"top_up_least_cents": 10}, "top_up_least_cents"),
    ],
)
def test_what_cannot_work_is_named(given: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**given)
    assert field in {each["loc"][0] for each in refused.value.errors()}
