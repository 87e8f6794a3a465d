"""The simulator's settings, read from the environment (and `.env`) here and nowhere else."""

import tomllib

from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, SettingsConfigDict

# The simulator listens this many ports above the service unless told otherwise.
PORT_OFFSET = 10
# Hosts that are this machine.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(BaseSettings):
    """Environment variables of the same names in capitals; empty ones count as absent."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    twilio_account_sid: str = "AC00000000000000000000000000000001"
    twilio_auth_token: str = "development-auth-token-not-secret"  # noqa: S105 - says so itself
    port: int = 8000
    simulator_port: int | None = None
    service_url: str | None = None
    public_base_url: str | None = None
    national_number: str = "+33974750001"
    # The service's file of the numbers that can be called (TOML); empty: the one above alone.
    numbers_file: str = ""
    # The number that people book by in texts; empty: none.
    text_booking_number: str = ""
    # Who texts come from and where answers to them go, as far as these are numbers; and what calls
    # show: numbers of the account, or verified there, because its settings say so.
    sms_sender: str = ""
    sms_reply_number: str = ""
    outbound_caller_id: str = ""
    # Where mails of the service go; on this machine the simulator takes them there.
    smtp_url: str = ""
    # The authorities (a file in PEM) of a service that is reached over TLS; none: the usual ones.
    ssl_cert_file: str = ""

    @cached_property
    def numbers(self) -> dict[str, str]:
        """The numbers that can be called, with their names: the national one, then the file's.

        The service judges the file; what is no number there is none here.
        """
        found = {self.national_number: ""}
        for table in self._file:
            number, name = table.get("number"), table.get("name", "")
            if isinstance(number, str) and isinstance(name, str):
                found[number] = name
        return found

    @property
    def texting(self) -> list[str]:
        """Numbers that send texts, or get them."""
        ours = [self.sms_sender, self.sms_reply_number, self.text_booking_number]
        return [one for one in [*ours, *self._entries("sms_sender")] if one.startswith("+")]

    @property
    def shown(self) -> list[str]:
        """Numbers that calls show."""
        return [one for one in [self.outbound_caller_id, *self._entries("caller_id")] if one]

    @cached_property
    def _file(self) -> list[dict[str, Any]]:
        return _tables(Path(self.numbers_file)) if self.numbers_file else []

    def _entries(self, name: str) -> list[str]:
        return [table[name] for table in self._file if isinstance(table.get(name), str)]

    @property
    def rest_port(self) -> int:
        """The port of the REST server."""
        return self.simulator_port or self.port + PORT_OFFSET

    @property
    def service_base(self) -> str:
        """Where requests to the service are sent, without a final slash."""
        return (self.service_url or f"http://127.0.0.1:{self.port}").rstrip("/")

    @property
    def public_base(self) -> str:
        """The address that signatures are computed on, exactly as the service has it."""
        return self.public_base_url or self.service_base

    @property
    def incoming(self) -> dict[str, Any]:
        """What a `Call` that rings the service is made with, whoever rings; public URLs."""
        return {
            "url": f"{self.public_base}/voice/incoming",
            "fallback_url": f"{self.public_base}/voice/fallback",
            "status_url": f"{self.public_base}/voice/status",
            "auth_token": self.twilio_auth_token,
            "account_sid": self.twilio_account_sid,
        }

    @property
    def simulator_base(self) -> str:
        """Where the REST server answers on this machine, without a final slash."""
        return f"http://127.0.0.1:{self.rest_port}"


def _tables(path: Path) -> list[dict[str, Any]]:
    """The tables of a file of numbers; none of one that cannot be read."""
    try:
        tables = tomllib.loads(path.read_text("utf-8-sig")).get("numbers", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return []
    return [one for one in tables if isinstance(one, dict)] if isinstance(tables, list) else []
