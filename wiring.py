"""The composition root: the only module that knows every part, and puts them together."""

from __future__ import annotations

import sys

from dataclasses import dataclass

from flask import Flask

import commands.bookings
import commands.centres
import commands.data
import commands.demo
import commands.deploy
import commands.postcodes
import commands.processes
import commands.slots
import config
import ivr.signature
import ivr.sms
import ivr.voice
import web.health

from ivr.conversation import Conversation
from ivr.twiml import Addresses
from jobs.queues import RedisWakeUp
from jobs.tasks import Ports
from models.crypto import Vault
from models.database import Database
from services import campaign, logs
from services.call_world import Service
from services.directory import Directory
from services.ports import WakeUp
from services.store import Store


@dataclass(frozen=True)
class Parts:
    """What the web application is made of; tests put their own in."""

    settings: config.Settings
    store: Store
    service: Service
    wake_up: WakeUp


def make_parts(settings: config.Settings) -> Parts:
    """The real parts. Raises services.campaign.BadCampaign."""
    store = Store(Database(settings.database_url), Vault(settings.vault_keys()))
    service = Service(
        directory=Directory(store.database),
        campaign=campaign.load(settings.campaign),
        national_number=settings.national_number,
    )
    return Parts(settings, store, service, RedisWakeUp(settings.redis_url))


def make_app(parts: Parts) -> Flask:
    """The web application and the commands, from these parts."""
    settings, store = parts.settings, parts.store
    app = Flask("allo", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = ivr.signature.MOST_BYTES
    ivr.signature.guard(
        app,
        ivr.signature.SignatureCheck(
            settings.public_base_url,
            settings.twilio_account_sid,
            (settings.twilio_auth_token, settings.twilio_auth_token_previous),
        ),
    )
    addresses = Addresses(settings.public_base_url)
    conversation = Conversation(store, parts.service, addresses, parts.wake_up)
    app.register_blueprint(ivr.voice.blueprint(conversation, store, addresses))
    app.register_blueprint(ivr.sms.blueprint(store))
    app.register_blueprint(
        web.health.blueprint(store, multiprocess_dir=settings.prometheus_multiproc_dir)
    )
    _add_commands(app, settings, store)
    return app


def create_app() -> Flask:
    """For the server and for `flask`: settings from the environment, one sentence if they fail."""
    try:
        settings = config.load()
        logs.configure(settings.log_level)
        return make_app(make_parts(settings))
    except (config.BadSettings, campaign.BadCampaign) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def make_ports(settings: config.Settings, store: Store) -> Ports:
    """What jobs need. The provider's REST client is loaded here and in no web worker."""
    from ivr.messenger import TwilioMessenger  # noqa: PLC0415 (see above)

    messenger = TwilioMessenger(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
        public_base_url=settings.public_base_url,
        sender=settings.sms_sender,
    )
    return Ports(store, messenger)


def _add_commands(app: Flask, settings: config.Settings, store: Store) -> None:
    def ports() -> Ports:
        return make_ports(settings, store)

    for command in (
        commands.bookings.make(store),
        commands.centres.make(store.database, store.clock),
        commands.data.make(store),
        commands.data.make_migrate(settings.database_url),
        commands.demo.make(store.database, store.clock),
        commands.deploy.make(settings.public_base_url),
        commands.postcodes.make(store.database, store.clock),
        commands.processes.make_scheduler(ports),
        commands.processes.make_worker(settings.redis_url, ports),
        commands.slots.make(store.database, store.clock),
    ):
        app.cli.add_command(command)
