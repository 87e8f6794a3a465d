"""Every setting, and the only reader of the environment.

In development each setting has a default that works with the others; in production a missing one
stops the start with a sentence that names it. `PUBLIC_BASE_URL` is used exactly as given, for the
provider signs the address that it was given.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent
VAR = ROOT / "var"

# Known to everybody, so good for nothing but a machine that talks to itself.
DEVELOPMENT_ACCOUNT_SID = "AC00000000000000000000000000000001"
DEVELOPMENT_AUTH_TOKEN = "development-auth-token-not-secret"  # noqa: S105
DEVELOPMENT_SECRET = "development-secret-key-not-secret"  # noqa: S105
DEVELOPMENT_NUMBER = "+33974750001"

_REQUIRED_IN_PRODUCTION = (
    "database_url",
    "redis_url",
    "public_base_url",
    "secret_key",
    "data_keys",
    "twilio_account_sid",
    "twilio_auth_token",
    "national_number",
    "sms_sender",
    "campaign",
)


class BadSettings(Exception):
    """One sentence for the operator: what is missing or wrong, and the setting's name."""


class Settings(BaseSettings):
    """The settings of DESIGN section 2. Names in the environment are these in capitals."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", extra="ignore")

    environment: Literal["development", "production"] = "development"
    port: int = Field(default=8000, ge=1, le=65535)
    simulator_port: int | None = Field(default=None, ge=1, le=65535)
    database_url: str = ""
    redis_url: str = ""
    public_base_url: str = ""
    secret_key: str = ""
    # Base64 of 32 bytes each, oldest first, separated by commas; the last one seals.
    data_keys: str = ""
    twilio_account_sid: str = ""
    twilio_auth_token: str = ""
    # The token before the last rotation, still accepted on webhooks.
    twilio_auth_token_previous: str = ""
    twilio_api_base_url: str = ""
    national_number: str = ""
    sms_sender: str = ""
    campaign: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    prometheus_multiproc_dir: str = ""

    @field_validator("log_level", mode="before")
    @classmethod
    def _capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if self.environment == "production":
            missing = [name for name in _REQUIRED_IN_PRODUCTION if not getattr(self, name)]
            if missing:
                names = ", ".join(name.upper() for name in missing)
                raise ValueError(
                    f"ENVIRONMENT is production and these settings are missing: {names}"
                )
            if self.secret_key == DEVELOPMENT_SECRET or (
                self.twilio_auth_token == DEVELOPMENT_AUTH_TOKEN
            ):
                raise ValueError(
                    "ENVIRONMENT is production but SECRET_KEY or TWILIO_AUTH_TOKEN is"
                    " the one of development"
                )
        if self.simulator_port is None:
            self.simulator_port = self.port + 10
        defaults = {
            "database_url": f"sqlite:///{VAR / 'allo.sqlite3'}",
            "redis_url": f"unix://{VAR / 'redis.sock'}",
            "public_base_url": f"http://127.0.0.1:{self.port}",
            "secret_key": DEVELOPMENT_SECRET,
            "data_keys": base64.b64encode(
                hashlib.sha256(DEVELOPMENT_SECRET.encode()).digest()
            ).decode(),
            "twilio_account_sid": DEVELOPMENT_ACCOUNT_SID,
            "twilio_auth_token": DEVELOPMENT_AUTH_TOKEN,
            "twilio_api_base_url": (
                "https://api.twilio.com"
                if self.environment == "production"
                else f"http://127.0.0.1:{self.simulator_port}"
            ),
            "national_number": DEVELOPMENT_NUMBER,
            "sms_sender": "AlloRDV",
            "campaign": str(ROOT / "campaigns" / "demonstration.toml"),
        }
        for name, default in defaults.items():
            if not getattr(self, name):
                setattr(self, name, default)
        if self.public_base_url.endswith("/"):
            raise ValueError("PUBLIC_BASE_URL must not end in a slash")
        self.vault_keys()
        return self

    def vault_keys(self) -> list[bytes]:
        """The data keys as bytes. Raises ValueError with a sentence about DATA_KEYS."""
        keys = []
        for part in self.data_keys.split(","):
            try:
                key = base64.b64decode(part.strip(), validate=True)
            except binascii.Error:
                key = b""
            if len(key) != 32:  # noqa: PLR2004
                raise ValueError("DATA_KEYS must hold base64 of 32 bytes, or several with commas")
            keys.append(key)
        return keys


def load(**overrides: object) -> Settings:
    """Read the environment and `.env`. Raises BadSettings."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() + ": " if first["loc"] else ""
        raise BadSettings(name + first["msg"].removeprefix("Value error, ")) from None
