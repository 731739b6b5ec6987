"""Configuration: every setting, its default and its environment variable (`BLUELOBSTER_` and its name)."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bluelobster.http.rates import Rate
from bluelobster.isos.rules import IsoRules
from bluelobster.users.oidc.client import Client, is_safe


class Defaults(BaseSettings):
    """What a launch gets when it does not say."""

    model_config = SettingsConfigDict(env_prefix="BLUELOBSTER_DEFAULT_")

    template: str = Field(default="UBUNTU-22-04", description="Template of an instance type without GPUs")
    gpu_template: str = Field(default="UBUNTU-22-04-NV", description="Template of an instance type with GPUs")


class Settings(BaseSettings):
    """What the API and the worker need to know."""

    model_config = SettingsConfigDict(env_prefix="BLUELOBSTER_")

    database_url: str = Field(description="PostgreSQL, as postgresql://user:password@host/name")
    secret_key: SecretStr | None = Field(default=None, description="32 bytes in base64; seals secrets in the database")
    secret_key_file: Path | None = Field(default=None, description="A file that holds the secret key")
    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on")
    api_port: int = Field(default=8080, description="Port that the API listens on")
    console_host: str = Field(default="127.0.0.1", description="Address that the console gateway listens on")
    console_port: int = Field(default=8081, description="Port that the console gateway listens on; 0 for a free one")
    console_public_url: str = Field(default="", description="Where websockets find the gateway, as https://host")
    console_public_vnc: str = Field(default="", description="Where VNC viewers find the gateway, as host:port")
    trusted_proxies: str = Field(default="127.0.0.1", description="Proxies whose X-Forwarded-For is believed, by comma")
    database_connections: int = Field(default=10, ge=2, description="Connections a process may hold")
    transaction_idle_seconds: float = Field(
        default=10.0, gt=0, description="After which the database ends a transaction that does nothing"
    )
    worker_slots: int = Field(default=64, ge=1, description="Operations that one worker carries out at once")
    lease_seconds: int = Field(default=10, ge=2, description="After which a silent worker's operations pass on")
    poll_seconds: float = Field(default=1.0, gt=0, description="How often a worker looks for work unasked")
    reconcile_seconds: float = Field(default=5.0, gt=0, description="How often hosts are asked what they run")
    backup_reconcile_seconds: float = Field(
        default=300.0, gt=0, description="How often backup storages are asked what they have"
    )
    charge_seconds: float = Field(default=1800.0, gt=0, le=3600, description="How often use is charged")
    enforce_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="How often it is seen to what becomes of accounts that do not pay"
    )
    idempotency_hours: float = Field(
        default=24.0, gt=0, description="How long the answer to a request with an Idempotency-Key is kept"
    )
    event_days: int = Field(default=30, ge=1, description="Days that events are kept")
    event_streams: int = Field(
        default=10, ge=1, description="Event streams that a key may have open at one API process"
    )
    event_check_seconds: float = Field(
        default=60.0, gt=0, description="How often a stream looks whether its key is good"
    )
    audit_days: int = Field(default=400, ge=1, description="Days that the audit log is kept")
    rate_per_second: float = Field(default=20.0, gt=0, description="Requests a second that a key may make for long")
    rate_burst: int = Field(default=200, ge=1, description="Requests that a key may make at once")
    stranger_rate_per_second: float = Field(
        default=2.0, gt=0, description="Requests a second without a good key that an address may make for long"
    )
    stranger_rate_burst: int = Field(default=40, ge=1, description="Such requests that an address may make at once")
    sign_in_per_minute: float = Field(
        default=6.0, gt=0, description="Passwords a minute that may be tried of one user for long"
    )
    sign_in_burst: int = Field(default=10, ge=1, description="Passwords of one user that may be tried at once")
    session_idle_hours: float = Field(default=12.0, gt=0, description="After which an unused session ends")
    session_days: float = Field(default=30.0, gt=0, description="How long a session lasts at most")
    password_memory_kib: int = Field(default=65536, ge=64, description="Memory that hashing a password takes")
    password_passes: int = Field(default=3, ge=1, description="How often it goes over that memory")
    public_url: str = Field(default="", description="Where browsers find the API, as https://cloud.example.com")
    signed_in_url: str = Field(default="/", description="Where browsers go from the identity provider")
    oidc_issuer: str | None = Field(default=None, description="The identity provider, as https://id.example.com")
    oidc_client_id: str | None = Field(default=None, description="What we are called there")
    oidc_client_secret: SecretStr | None = Field(default=None, validate_default=True, description="Our secret there")
    redis_url: SecretStr | None = Field(
        default=None, description="Redis, as redis://host:6379/0, where several API processes count requests together"
    )
    top_up_least_cents: int = Field(default=500, ge=50, description="Least credit that can be bought at once, in cents")
    top_up_most_cents: int = Field(default=500_000, validate_default=True, le=99_999_999, description="Most of it")
    stripe_secret_key: SecretStr | None = Field(
        default=None, min_length=1, description="Stripe's API key, where credit is sold"
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None, validate_default=True, description="What Stripe signs with; two by comma while it is replaced"
    )
    stripe_success_url: str = Field(default="", validate_default=True, description="Where a payer goes afterwards")
    stripe_cancel_url: str = Field(default="", description="Where one goes who does not pay; nowhere if empty")
    stripe_api_url: str = Field(default="https://api.stripe.com", description="Stripe's API")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    isos: IsoRules = Field(default_factory=IsoRules, description="Where ISO images may come from")

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @field_validator("top_up_most_cents")
    @classmethod
    def _is_room(cls, most: int, given: ValidationInfo) -> int:
        if most < given.data.get("top_up_least_cents", 0):
            raise ValueError("must not be less than BLUELOBSTER_TOP_UP_LEAST_CENTS")
        return most

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _are_both(cls, secret: SecretStr | None, given: ValidationInfo) -> SecretStr | None:
        if (secret is None) != (given.data.get("stripe_secret_key") is None):
            raise ValueError("payments need it and BLUELOBSTER_STRIPE_SECRET_KEY; set both, or neither")
        if secret is not None and not all(part.strip() for part in secret.get_secret_value().split(",")):
            raise ValueError("must be one secret, or two separated by a comma")
        return secret

    @field_validator("stripe_success_url", "stripe_cancel_url")
    @classmethod
    def _is_page(cls, url: str, given: ValidationInfo) -> str:
        needed = given.field_name == "stripe_success_url" and given.data.get("stripe_secret_key") is not None
        if (url or needed) and not url.startswith(("https://", "http://")):
            raise ValueError("must be the address of a page, beginning with https://")
        return url

    @field_validator("stripe_api_url")
    @classmethod
    def _is_private(cls, url: str) -> str:
        if not url.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError("must begin with https://: the secret key is sent to it")
        return url

    @field_validator("oidc_issuer")
    @classmethod
    def _is_secure(cls, issuer: str | None) -> str | None:
        if issuer is not None and not is_safe(issuer):
            raise ValueError("must begin with https://")
        return issuer

    @field_validator("oidc_client_secret")
    @classmethod
    def _is_complete(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        others = [info.data.get("oidc_issuer"), info.data.get("oidc_client_id")]
        if "oidc_issuer" in info.data and len({each is None for each in (secret, *others)}) > 1:
            raise ValueError("the issuer, the client's id and its secret must be set all together, or none of them")
        return secret

    @property
    def oidc(self) -> Client | None:
        """What we are to the identity provider; None where there is none."""
        if self.oidc_issuer is None or self.oidc_client_id is None or self.oidc_client_secret is None:
            return None
        return Client(self.oidc_issuer, self.oidc_client_id, self.oidc_client_secret.get_secret_value())

    @property
    def caller_rate(self) -> Rate:
        return Rate(self.rate_per_second, self.rate_burst)

    @property
    def stranger_rate(self) -> Rate:
        return Rate(self.stranger_rate_per_second, self.stranger_rate_burst)

    @property
    def sign_in_rate(self) -> Rate:
        return Rate(self.sign_in_per_minute / 60, self.sign_in_burst)

    @property
    def session_idle(self) -> timedelta:
        return timedelta(hours=self.session_idle_hours)

    def key_text(self) -> str:
        """The secret key; ValueError says how to make one when there is none."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().strip()
        if self.secret_key_file is not None:
            return self.secret_key_file.read_text().strip()
        raise ValueError(
            "no secret key: set BLUELOBSTER_SECRET_KEY_FILE to a file made by `bluelobster admin secret-key`"
        )
