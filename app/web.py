"""The composition root: the only module that knows every part, and puts them together."""

from __future__ import annotations

import config  # (first: it says where counters are not kept)

# isort: split
import gc
import sys

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
import structlog

from flask import Blueprint, Flask
from flask.cli import AppGroup, FlaskGroup
from sqlalchemy import Engine, event

import commands.assets
import ivr.agent_lines
import ivr.callback_lines
import ivr.crowded
import ivr.signature
import ivr.sms
import ivr.voice
import ivr.waiting
import web.accounts.sign_in
import web.admission.gate
import web.admission.parts
import web.admission.waiting_room
import web.centre_day.secretary
import web.desk.desk_page
import web.desk.pages
import web.desk.person
import web.desk.voice_token
import web.error_pages
import web.marks
import web.online.booking
import web.online.my_appointment
import web.operations.assets
import web.operations.health
import web.operations.metrics
import web.operations.recordings
import web.operations.spans
import web.operations.telephone
import web.pages
import web.public.centres
import web.public.pages
import web.public.services
import web.public.smart_feed
import web.public.state
import web.public.unanswered
import web.staff_only
import web.supervision.board
import web.supervision.clusters

from app.delivery import make_delivery_dependencies
from app.parts import (
    Parts,
    let_go_of_connections,
    make_around,
    make_control,
    make_parts,
    refuse_wrong_keys,
)
from ivr.addresses import Addresses
from ivr.conversation import Conversation
from ivr.voice_token import VoiceAccount, make_token
from jobs.queues import redis_answers
from models.database import Database, NotDurable
from prompts.catalogue import COUNTRY_LANGUAGE
from services import logs
from services.accounts.passkeys import Passkeys, PasskeySite
from services.accounts.sign_in import SignIn
from services.accounts.staff import demonstration_accounts
from services.admission.load_shedder import LoadShedder
from services.admission.store_answers import StoreAnswers
from services.agents.call_back import CallBack
from services.call.text_conversation import TextConversations, TextLimits
from services.campaign.campaign import BadCampaign
from services.health.doctor import Remembered, checks
from services.health.shared_assets import OtherVersions
from services.health.watch_processes import KINDS as PROCESSES
from services.keys.check_keys import WrongKeys
from services.numbers.numbers import BadNumbers
from services.ports import WakeUp
from services.public.feed_copy import FeedCopy
from services.public.state import Latest
from services.service import Service
from services.store import Store
from services.vocabulary import vocabulary
from web.browser_session import Cookies
from web.online.cookies import MyCookie, WebSessionCookie
from web_server import Draining, WholeRequests

# Commands that make the store or its role, or tell in their own words how it is.
TELL_IT_THEMSELVES = frozenset({"migrate", "db", "setup", "doctor"})

log = structlog.get_logger()


class LateCommands(AppGroup):
    """What `flask` offers, put together when somebody asks: a web worker never does."""

    def __init__(self, add: Callable[[AppGroup], None]) -> None:
        super().__init__()
        self._add = add
        self._is_complete = False

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._complete()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._complete()
        return super().list_commands(ctx)

    def _complete(self) -> None:
        if not self._is_complete:
            self._is_complete = True
            self._add(self)


class Application(Flask):
    """Flask, which would ask of each function, a dozen times an answer, whether it is a coroutine.

    None is.
    """

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def make_app(parts: Parts) -> Flask:
    """The web application and the commands, from these parts."""
    settings, store = parts.settings, parts.store
    load_shedder = LoadShedder(settings.web_threads, queue=settings.web_queue)
    draining = Draining(settings.drain_seconds or 0.0)
    templates = str(config.ROOT / "web" / "templates")
    app = Application("allo", static_folder=None, template_folder=templates)
    app.config["MAX_CONTENT_LENGTH"] = ivr.signature.MOST_BYTES
    if settings.otel_exporter_otlp_endpoint:
        web.operations.spans.register_first(app)
    check = ivr.signature.SignatureCheck(
        settings.public_base_url,
        settings.twilio_account_sid,
        (settings.twilio_auth_token, settings.twilio_auth_token_previous),
    )
    ivr.signature.guard(app, check)
    if settings.otel_exporter_otlp_endpoint:
        web.operations.spans.register_signed(app)
    _add_pages(app, settings, store)
    # Read now, and not while the first caller who speaks is waiting. The words of another language
    # are read for the first caller who chooses it: a twentieth of a second, and three megabytes.
    vocabulary(COUNTRY_LANGUAGE)
    addresses = Addresses(settings.public_base_url)
    conversation = Conversation(store, parts.service, addresses, parts.wake_up)
    crowd = ivr.crowded.Crowded(store, addresses, load_shedder.refuses_call)
    call_back = make_call_back(settings, parts.service, parts.wake_up)
    control = parts.control or make_control(settings)
    desk = web.desk.desk_page.DeskPage(store, parts.service, control, parts.wake_up)
    centres = web.public.centres.remembered(store, parts.service)
    latest = Latest(store)
    https = settings.public_base_url.startswith("https://")
    cookie = WebSessionCookie(settings.secret_key, https=https)
    booking = web.online.booking.BookingPages(store, parts.service, parts.wake_up, cookie, centres)
    mine = web.online.my_appointment.MyAppointmentPages(
        store, parts.service, parts.wake_up, MyCookie(settings.secret_key, https=https), cookie
    )
    for blueprint in (
        ivr.voice.blueprint(conversation, addresses, crowd),
        ivr.waiting.blueprint(store, parts.service, addresses),
        ivr.callback_lines.blueprint(store, conversation, addresses, call_back),
        ivr.agent_lines.blueprint(store, addresses, dial_callback=call_back.dial),
        web.operations.recordings.blueprint(),
        ivr.sms.blueprint(
            store,
            parts.service,
            reply_number=settings.sms_reply_number,
            text_number=settings.text_booking_number,
            conversations=TextConversations(
                store,
                parts.service,
                parts.wake_up,
                TextLimits(
                    settings.text_answers_per_number,
                    timedelta(seconds=settings.text_answer_seconds),
                ),
            ),
        ),
        web.desk.pages.blueprint(desk),
        web.desk.person.blueprint(store, parts.service.campaigns.by_name),
        web.supervision.board.blueprint(
            store, parts.service.campaigns, control, parts.service.numbers
        ),
        web.supervision.clusters.blueprint(store, parts.service.campaigns),
        web.operations.health.blueprint(
            measures=_measures(parts).told,
            readers=web.operations.health.MetricsReaders(
                settings.metrics_token,
                everybody=settings.environment == "development",
                behind_proxy=settings.proxy_hops > 0,
            ),
            version=config.version(),
            look=Remembered(checks(make_around(settings, store, parts.service))),
            goes=lambda: draining.has_begun,
        ),
        # The web channel: pages for citizens, and what stands before them.
        _feed(settings, store),
        web.public.pages.blueprint(store, parts.service, latest, contact=settings.security_contact),
        web.public.centres.blueprint(store, parts.service, centres),
        web.public.state.blueprint(store, parts.service, latest),
        web.public.services.blueprint(store, parts.service),
        web.online.booking.blueprint(booking),
        web.online.my_appointment.blueprint(mine),
        web.admission.waiting_room.blueprint(),
        web.centre_day.secretary.blueprint(store, parts.service),
    ):
        app.register_blueprint(blueprint)
    if settings.environment == "development":
        app.register_blueprint(web.operations.telephone.blueprint(settings.simulator_port))
    unmarked = web.marks.undeclared(app)
    if unmarked:
        raise RuntimeError(f"routes that do not say whom they are for: {', '.join(unmarked)}")
    app.cli = LateCommands(partial(_add_commands, parts, call_back))
    web.operations.metrics.register(app)
    answers = StoreAnswers(store.database)
    web.public.unanswered.register(app, answers)
    _put_gate_in_front(app, parts, load_shedder, answers)
    app.extensions["allo_draining"] = draining
    return app


def _feed(settings: config.Settings, store: Store) -> Blueprint:
    folder = Path(settings.feed_folder)
    return web.public.smart_feed.blueprint(folder, FeedCopy(store, folder))


def _measures(parts: Parts) -> web.operations.metrics.Measures:
    settings = parts.settings
    return web.operations.metrics.Measures(
        parts.store,
        parts.service.campaigns.current,
        settings.prometheus_multiproc_dir,
        partial(redis_answers, settings.redis_url),
        config.VAR,
    )


def _put_gate_in_front(
    app: Flask, parts: Parts, load_shedder: LoadShedder, answers: StoreAnswers
) -> None:
    """It lets everything pass until `begin`, which `create_app` calls for a server's workers."""
    settings = parts.settings
    gate = web.admission.gate.Gate(
        app.wsgi_app,
        web.admission.parts.GateParts(
            parts.store,
            parts.service.campaigns,
            settings.secret_key,
            settings.public_base_url,
            threads=settings.web_threads,
            hops=settings.proxy_hops,
            mode=settings.web_room,
            national_number=settings.national_number,
            store_hangs=answers.hangs,
            one_host=settings.environment == "production",
        ),
        load_shedder,
    )
    app.wsgi_app = gate  # type: ignore[method-assign]
    app.extensions["allo_gate"] = gate


def _add_pages(app: Flask, settings: config.Settings, store: Store) -> None:
    """What pages for people share: sessions, headers, files. The telephone has none of it."""
    development = settings.environment == "development"
    setting = web.pages.Setting(
        settings.public_base_url,
        simulator_origin=f"http://127.0.0.1:{settings.simulator_port}" if development else "",
        voice_sdk=bool(settings.twilio_api_key_sid and settings.twilio_api_key_secret),
        national_number=settings.national_number,
        call_cost=settings.call_cost,
    )
    app.secret_key = settings.secret_key
    web.pages.register(app, setting)
    web.error_pages.register(app)
    sign_in = SignIn(store, settings.secret_key, demonstration=development)
    cookies = Cookies(settings.secret_key, https=setting.https)
    web.staff_only.register(app, sign_in, cookies, hops=settings.proxy_hops)
    files = frozenset(commands.assets.FILES)
    app.register_blueprint(
        web.operations.assets.blueprint(config.VAR / "static", files, OtherVersions(store).find)
    )
    passkeys = Passkeys(store, sign_in, PasskeySite.of(settings.public_base_url))
    app.register_blueprint(web.accounts.sign_in.blueprint(store, sign_in, passkeys, cookies))
    voice = VoiceAccount(
        settings.twilio_account_sid,
        settings.twilio_api_key_sid,
        settings.twilio_api_key_secret,
        settings.twilio_twiml_app_sid,
    )
    make = partial(make_token, voice) if voice.is_complete else None
    app.register_blueprint(web.desk.voice_token.blueprint(make))


def make_call_back(settings: config.Settings, service: Service, wake_up: WakeUp) -> CallBack:
    """How promises to ring back are kept, by the campaign of now."""
    means = make_delivery_dependencies(settings, service)
    return CallBack(
        lambda: service.campaign,
        service.national_number,
        wake_up,
        means.still_wanted,
        means.budgets,
        service.numbers,
    )


def prepare_workers() -> None:
    """Read what workers have alike, before there are any (web_server.py).

    A campaign with words of its own has another vocabulary, and calendars and units in common with
    this one. No thread and no connection may come of it: workers are copies of this process.
    """
    vocabulary(COUNTRY_LANGUAGE)


def create_server() -> WholeRequests:
    """What a server's worker drives: the application behind its gate, each request read whole."""
    server = served_whole(create_app())
    # All that is there now stays until the worker ends: looking through it for garbage, again and
    # again, took a fifth of a request's time.
    gc.collect()
    gc.freeze()
    return server


def served_whole(app: Flask) -> WholeRequests:
    """The application as `create_server` gives it to a server's worker."""
    gate: web.admission.gate.Gate = app.extensions["allo_gate"]
    return WholeRequests(
        app.wsgi_app,
        gate.load_shedder.all_threads,
        gate.at_once,
        steps=gate.load_shedder.threads,
        draining=app.extensions["allo_draining"],
        number=gate.parts.national_number,
        begins=gate.start,
        under_way=gate.under_way,
    )


def create_app() -> Flask:
    """For the server and for `flask`: settings from the environment, one sentence if they fail."""
    try:
        settings = config.load()
        logs.configure(settings.log_level)
        if _is_command() and settings.own_database():
            _start_postgres_when_asked(settings.own_database())
        parts = make_parts(settings)
        _begin_traces(settings, parts.store)
        if settings.environment == "production":
            look_at_store(parts.store.database, _command())
        if not _is_command():
            refuse_wrong_keys(parts.store)
            if settings.environment == "production":
                _refuse_known_passwords(parts.store)
        return _served(make_app(parts))
    except (config.BadSettings, BadCampaign, BadNumbers, NotDurable, WrongKeys) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def look_at_store(database: Database, command: str) -> None:
    """Write into the log where it does not answer; `command`: the word after `flask`, if any.

    Callers are spoken to without it, and each connection is looked at when it is made. Raises
    NotDurable.
    """
    if not database.answers_durably() and command not in TELL_IT_THEMSELVES:
        log.warning("the store does not answer")


def _start_postgres_when_asked(database: str) -> None:
    """Start the PostgreSQL that comes with the service once this command connects to it."""
    from tools.launcher.errors import CannotStart  # noqa: PLC0415 (no part of a web worker)
    from tools.launcher.postgres_server import OwnPostgres  # noqa: PLC0415

    postgres = OwnPostgres()

    def before_connecting(
        _dialect: Any, _record: Any, _words: Any, options: dict[str, Any]
    ) -> None:
        if options.get("host") == str(postgres.sockets):
            try:
                postgres.ensure(database)
            except CannotStart as problem:
                raise click.ClickException(str(problem)) from None

    event.listen(Engine, "do_connect", before_connecting)


def _begin_traces(settings: config.Settings, store: Store) -> None:
    """In the processes of the service alone: a command need not wait for a collector at its end.

    Raises config.BadSettings.
    """
    part = _command() if _is_command() else "web"
    if settings.otel_exporter_otlp_endpoint and part in PROCESSES:
        import app.tracing  # noqa: PLC0415 (with the library: megabytes that few want)

        app.tracing.begin(settings.otel_exporter_otlp_endpoint, part, store.database)


def _served(app: Flask) -> Flask:
    """With its gate shut, where a server runs it and no command."""
    if not _is_command():
        app.extensions["allo_store_answers"].begin()
        app.extensions["allo_gate"].begin()
    return app


def _is_command() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.find_root().command, FlaskGroup)


def _command() -> str:
    """The word after `flask`; empty for a web server."""
    return next(iter(sys.argv[1:]), "") if _is_command() else ""


def _refuse_known_passwords(store: Store) -> None:
    """Raises config.BadSettings. Commands go on, for one of them is the remedy."""
    try:
        known = demonstration_accounts(store)
    except Exception as error:  # noqa: BLE001 (nobody can sign in there either)
        log.warning("accounts not looked at", error=type(error).__name__)
        return
    finally:
        let_go_of_connections(store)
    if known:
        raise config.BadSettings(
            f"ENVIRONMENT is production and everybody knows the password of {', '.join(known)}:"
            f" flask staff disable {known[0]}"
        )


def _add_commands(parts: Parts, call_back: CallBack, group: AppGroup) -> None:
    from app.commands import add_commands  # noqa: PLC0415 (no part of a web worker)

    add_commands(group, parts, call_back)
