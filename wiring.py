"""The composition root: the only module that knows every part, and puts them together."""

from __future__ import annotations

import sys

from dataclasses import dataclass

import structlog

from flask import Flask

import commands.bookings
import commands.calls
import commands.campaign
import commands.centres
import commands.data
import commands.demo
import commands.deploy
import commands.operations
import commands.postcodes
import commands.processes
import commands.prompts
import commands.slots
import commands.store
import commands.understand
import config
import ivr.signature
import ivr.sms
import ivr.voice
import web.health
import web.recordings
import web.telephone

from ivr.conversation import LANGUAGE, Conversation
from ivr.twiml import Addresses
from jobs.queues import RedisWakeUp
from jobs.tasks import Ports
from models.crypto import Vault
from models.database import Database, NotDurable
from prompts.catalogue import languages
from services import logs
from services.call_world import Service, vocabulary
from services.campaign import BadCampaign
from services.campaigns import Campaigns, text_names
from services.centre_life import CentreLife
from services.directory import Directory
from services.ports import WakeUp
from services.store import Store
from services.waiting_list import Everybody

log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """What the web application is made of; tests put their own in."""

    settings: config.Settings
    store: Store
    service: Service
    wake_up: WakeUp


def make_parts(settings: config.Settings) -> Parts:
    """The real parts. Raises services.campaign.BadCampaign."""
    database = Database(settings.database_url, durable=settings.environment == "production")
    store = Store(database, Vault(settings.vault_keys()))
    service = Service(
        directory=Directory(store.database),
        campaign=Campaigns.read(settings.campaign, texts=text_names(LANGUAGE), now=store.clock.now),
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
    for language in languages():
        # Read once, and not while the first caller who speaks is waiting.
        vocabulary(language)
    addresses = Addresses(settings.public_base_url)
    conversation = Conversation(store, parts.service, addresses, parts.wake_up)
    app.register_blueprint(ivr.voice.blueprint(conversation, addresses))
    app.register_blueprint(web.recordings.blueprint())
    app.register_blueprint(ivr.sms.blueprint(store))
    app.register_blueprint(
        web.health.blueprint(store, multiprocess_dir=settings.prometheus_multiproc_dir)
    )
    if settings.environment == "development":
        app.register_blueprint(web.telephone.blueprint(settings.simulator_port))
    _add_commands(app, settings, store, parts.service.campaigns)
    return app


def create_app() -> Flask:
    """For the server and for `flask`: settings from the environment, one sentence if they fail."""
    try:
        settings = config.load()
        logs.configure(settings.log_level)
        parts = make_parts(settings)
        if settings.environment == "production" and not parts.store.database.answers_durably():
            # Callers are spoken to without it, and each connection is looked at when it is made.
            log.warning("the store does not answer")
        return make_app(parts)
    except (config.BadSettings, BadCampaign, NotDurable) as error:
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


def _add_commands(
    app: Flask, settings: config.Settings, store: Store, campaigns: Campaigns
) -> None:
    def ports() -> Ports:
        return make_ports(settings, store)

    life = CentreLife(store, campaigns)
    for command in (
        commands.bookings.make(store, campaigns.by_name),
        commands.calls.make(),
        commands.campaign.make(),
        commands.centres.make(store.database, store.clock, life),
        commands.data.make(store),
        commands.data.make_migrate(settings.database_url),
        commands.demo.make(store.database, store.clock),
        commands.deploy.make(settings.public_base_url),
        commands.operations.make(life),
        commands.postcodes.make(store.database, store.clock),
        commands.processes.make_scheduler(ports, campaigns.by_name),
        commands.processes.make_worker(settings.redis_url, ports),
        commands.prompts.make(),
        commands.slots.make(store.database, store.clock, life, Everybody(store, campaigns.all)),
        commands.store.make(store, campaigns.all),
        commands.understand.make(store.clock),
    ):
        app.cli.add_command(command)
