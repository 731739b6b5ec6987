"""Configuration: every setting, its default and its environment variable (`BLUELOBSTER_` and its name)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    trusted_proxies: str = Field(default="127.0.0.1", description="Proxies whose X-Forwarded-For is believed, by comma")
    database_connections: int = Field(default=10, ge=2, description="Connections a process may hold")
    transaction_idle_seconds: float = Field(
        default=10.0, gt=0, description="After which the database ends a transaction that does nothing"
    )
    worker_slots: int = Field(default=64, ge=1, description="Operations that one worker carries out at once")
    lease_seconds: int = Field(default=10, ge=2, description="After which a silent worker's operations pass on")
    poll_seconds: float = Field(default=1.0, gt=0, description="How often a worker looks for work unasked")
    reconcile_seconds: float = Field(default=5.0, gt=0, description="How often hosts are asked what they run")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    def key_text(self) -> str:
        """The secret key; ValueError says how to make one when there is none."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().strip()
        if self.secret_key_file is not None:
            return self.secret_key_file.read_text().strip()
        raise ValueError(
            "no secret key: set BLUELOBSTER_SECRET_KEY_FILE to a file made by `bluelobster admin secret-key`"
        )
